# SPDX-License-Identifier: GPL-2.0-only
"""Makes a guest look like the host to pytest-xdist, and keeps a test from ending more than itself.
PYTEST_DONT_REWRITE

xdist takes a worker that it reaches through a pipe for a process on the same machine, and names its folder
for temporary files below one that it has made on the host.
"""

import contextlib
import os
import select
from collections.abc import Callable, Generator
from typing import NoReturn

import pytest

#: Exit status of a child of a test that would have gone on as a second worker, and of a worker that cannot
#: report any more.
STRAY, MUTE = 70, 71
#: The thread that reads what the host sends (tools/guest/inquest.py).
RECEIVER = "pnode-receiver"
#: The worker's channel: descriptors of its virtio port, with the device's number.
_CHANNEL: dict[int, int] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the parents of the folder for temporary files."""
    if config.option.basetemp:
        os.makedirs(os.path.dirname(config.option.basetemp), exist_ok=True)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("/dev/vport"):
                _CHANNEL[int(name)] = os.fstat(int(name)).st_rdev
    for plugin in config.pluginmanager.get_plugins():
        with contextlib.suppress(AttributeError):  # of xdist's and execnet's own
            io = plugin.channel.gateway._io
            io._read = _patient(io._read, io.infile.fileno())


def _patient(read: Callable[[int], bytes | None], handle: int) -> Callable[[int], bytes]:
    """A read() that waits in poll() when the channel does not block: a test can have made it so. To execnet
    "nothing yet" is the end, and five seconds later it interrupts whatever runs then.

    The thread that reads gets a name, by which an inquest knows that it is none of the test's.
    """
    unnamed = [RECEIVER]

    def wait(count: int) -> bytes:
        while unnamed:
            _name_thread(unnamed.pop())
        while (data := read(count)) is None:
            select.select([handle], [], [])
        return data

    return wait


def _name_thread(name: str) -> None:
    with contextlib.suppress(OSError), open("/proc/thread-self/comm", "w") as file:
        file.write(name)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """See _contained()."""
    return (yield from _contained())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """See _contained()."""
    return (yield from _contained())


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """See _contained()."""
    return (yield from _contained())


def _contained() -> Generator[None, object, object]:
    """What a test does to the session is an error of that test: there is nobody at this keyboard.

    A child that comes back from a fork must not: it would report everything a second time, on the same
    channel. It ends here, and says so on the console.
    """
    worker = os.getpid()
    try:
        return (yield)
    except (pytest.exit.Exception, KeyboardInterrupt) as error:
        if os.getpid() != worker:
            raise
        said = f": {error}" if str(error) else ""
        raise RuntimeError(f"the test tried to end the session by {type(error).__name__}{said}") from error
    finally:
        if os.getpid() != worker:
            _leave(STRAY, "a child of the test came back into pytest and was ended")
        _check_channel()


def _check_channel() -> None:
    """Without its channel a worker would wait for ever, and the host for it."""
    for handle, device in _CHANNEL.items():
        try:
            if os.fstat(handle).st_rdev != device:
                raise OSError
            if not os.get_blocking(handle):
                os.set_blocking(handle, True)
        except OSError:
            _leave(MUTE, "the test closed the channel of its worker")


def _leave(status: int, why: str) -> NoReturn:
    with contextlib.suppress(OSError), open("/dev/kmsg", "w") as log:
        log.write(f"<4>pnode-guest: {why}\n")
    os._exit(status)
