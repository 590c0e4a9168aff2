# SPDX-License-Identifier: GPL-2.0-only
"""The guard of a worker's channel, fed with what a real execnet says and with what a test may say instead."""

import random
import struct
import subprocess
import sys
import textwrap

import pytest

from tools.guest.framing import Framing, Garbage


def message(code: int = 4, channel: int = 1, data: bytes = b"x") -> bytes:
    return struct.pack("!bii", code, channel, len(data)) + data


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 16])
def test_messages_pass_in_pieces_of_any_size(size: int) -> None:
    stream = b"1" + b"".join(message(code, 3, bytes(5000)) for code in (4, 5, 6, 7)) + message(data=b"")
    framing = Framing()
    for start in range(0, len(stream), size):
        framing.feed(stream[start : start + size])


@pytest.mark.parametrize(
    "garbage",
    [
        bytes(64),  # zeroes: a status request of an empty channel
        b"a test prints to the wrong descriptor\n",
        message(0),
        message(8),
        message(4, 0),
        message(4, -1),
        struct.pack("!bii", 4, 1, -1),
        struct.pack("!bii", 4, 1, 1 << 30),
    ],
)
def test_garbage_is_told(garbage: bytes) -> None:
    framing = Framing()
    framing.feed(b"1" + message())
    with pytest.raises(Garbage, match="where a message should begin"):
        framing.feed(garbage + message())


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_what_comes_before_garbage_is_whole(size: int) -> None:
    """It is to reach the host: the message that says which test began is among it."""
    good = b"1" + message() + message()
    framing, passed = Framing(), b""
    stream = good + bytes(200)
    with pytest.raises(Garbage) as caught:  # noqa: PT012
        for start in range(0, len(stream), size):
            piece = stream[start : start + size]
            framing.feed(piece)
            passed += piece
    passed += piece[: caught.value.whole]
    assert passed.startswith(good)
    assert len(passed) < len(good) + 9, "no whole message of it"


def test_random_bytes_are_no_messages() -> None:
    dice = random.Random(1)
    for _ in range(1000):
        framing = Framing()
        framing.feed(b"1")
        with pytest.raises(Garbage):
            framing.feed(dice.randbytes(4096))


def test_the_greeting_is_expected() -> None:
    with pytest.raises(Garbage, match="greeting"):
        Framing().feed(b"Traceback (most recent call last):\n")


def test_what_execnet_says_is_no_garbage() -> None:
    """The worker's side of a real gateway, as recorded by a program between both."""
    relay = textwrap.dedent("""
        import os, subprocess, sys, threading
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        worker = subprocess.Popen([sys.executable, *sys.argv[2:]], **pipes)
        def back():
            with open(sys.argv[1], "wb") as record:
                while data := os.read(worker.stdout.fileno(), 65536):
                    record.write(data)
                    os.write(1, data)
        thread = threading.Thread(target=back)
        thread.start()
        while data := os.read(0, 65536):
            worker.stdin.write(data)
            worker.stdin.flush()
        worker.stdin.close()
        thread.join()
    """)
    program = textwrap.dedent(f"""
        import execnet, shlex, sys, tempfile, pathlib
        folder = pathlib.Path(tempfile.mkdtemp())
        (folder / "relay.py").write_text({relay!r})
        spec = shlex.join([sys.executable, str(folder / "relay.py"), str(folder / "record")])
        gateway = execnet.makegateway(f"popen//python={{spec}}")
        channel = gateway.remote_exec("channel.send(channel.receive() * 2); channel.send(b'x' * 100000)")
        channel.send([1, "two"])
        assert channel.receive() == [1, "two"] * 2
        channel.receive()
        try:
            gateway.remote_exec("1 / 0").receive()
        except channel.RemoteError:
            pass
        gateway.exit()
        gateway._io.wait()
        sys.stdout.buffer.write((folder / "record").read_bytes())
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert len(done.stdout) > 100_000
    Framing().feed(done.stdout)
