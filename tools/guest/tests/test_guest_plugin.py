# SPDX-License-Identifier: GPL-2.0-only
"""What a test in a guest cannot do to the session: real sessions with the guest's plugin, without a guest."""

import importlib.util
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from execnet import gateway_base

from tools.guest.layers import INSIDE
from tools.paths import ROOT


def run(folder: Path, text: str, *arguments: str) -> str:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (folder / "test_it.py").write_text("import os, time, pytest\n" + text)
    plugins = ["-p", "guest_plugin", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-rA", *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{INSIDE}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("what", ["pytest.exit('enough', returncode=0)", "raise KeyboardInterrupt"])
@pytest.mark.parametrize("phase", ["setup", "call", "teardown"])
def test_the_end_of_the_session_is_an_error_of_the_test(tmp_path: Path, what: str, phase: str) -> None:
    output = run(
        tmp_path,
        f"""
@pytest.fixture
def around():
    if {phase!r} == "setup": {what}
    yield
    if {phase!r} == "teardown": {what}
def test_leaves(around):
    if {phase!r} == "call": {what}
def test_goes_on(): pass
""",
    )
    assert "RuntimeError: the test tried to end the session by " in output
    assert "PASSED test_it.py::test_goes_on" in output


def test_a_child_that_comes_back_ends_there(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
def test_forks():
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70
def test_goes_on(): pass
""",
        "-s",
    )
    assert "2 passed" in output
    assert output.count("PASSED test_it.py::test_forks") == 1


@pytest.fixture
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guest_plugin", INSIDE / "guest_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_worker_whose_channel_was_closed_says_so_and_leaves(
    monkeypatch: pytest.MonkeyPatch, plugin: ModuleType
) -> None:
    left: list[tuple[int, str]] = []
    monkeypatch.setattr(plugin, "_leave", lambda status, why: left.append((status, why)))
    read, write = os.pipe()
    monkeypatch.setattr(plugin, "_CHANNEL", {write: os.fstat(write).st_rdev})
    os.set_blocking(write, False)
    plugin._check_channel()
    assert left == []
    assert os.get_blocking(write)
    os.close(write)
    plugin._check_channel()
    assert left == [(71, "the test closed the channel of its worker")]
    os.close(read)


def test_a_channel_that_does_not_block_is_still_heard(plugin: ModuleType) -> None:
    """What arrives while a test has made it so is read as ever, by a thread with a name of its own."""
    ours, theirs = os.pipe()
    io = gateway_base.Popen2IO(sys.stdout, os.fdopen(ours, "r", 1), gateway_base.get_execmodel("thread"))
    interactor = SimpleNamespace(channel=SimpleNamespace(gateway=SimpleNamespace(_io=io)))
    manager = SimpleNamespace(get_plugins=lambda: [object(), interactor])
    plugin.pytest_configure(SimpleNamespace(option=SimpleNamespace(basetemp=None), pluginmanager=manager))
    os.set_blocking(ours, False)
    later = threading.Timer(0.2, lambda: [os.write(theirs, said) for said in (b"ab", b"cd")])
    later.start()
    with ThreadPoolExecutor(1) as receiver:
        assert receiver.submit(io.read, 4).result() == b"abcd"
        comm = receiver.submit(Path("/proc/thread-self/comm").read_text).result()
        assert comm == f"{plugin.RECEIVER}\n"
    later.join()
    os.close(theirs)
    with ThreadPoolExecutor(1) as receiver, pytest.raises(EOFError):
        receiver.submit(io.read, 1).result()
    io.close_read()
