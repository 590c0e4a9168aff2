# SPDX-License-Identifier: GPL-2.0-only
import io
import os
import pty
import re
import time

from tools.report.live import PlainLive, make_live
from tools.report.terminal import TerminalLive
from tools.report.workers import Running


def event(number, outcome="PASS", message="", slot=0):
    return {
        "nodeid": f"selftests/iso/test_gate.py::test_x[{'long-' * 40}{number}]",
        "outcome": outcome,
        "slot": slot,
        "requirements": ["ISO-02"],
        "duration": 0.314,
        "message": message,
    }


def test_plain_lines_are_whole_and_count():
    stream = io.StringIO()
    live = PlainLive(stream)
    live.session("fast", 2)
    live.plan(12)
    live.result(event(1))
    live.result(event(2, "FAIL", "AssertionError: 4 pages\nassert 4 == 0"))
    live.note("guest slot0 lost")
    live.end()
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["fast: 2 workers, collecting", "fast: 12 tests"]
    assert lines[2] == f"[ 1/12] fast slot0 PASS ISO-02 iso/test_gate.py::test_x[{'long-' * 40}1] 0.31s"
    assert lines[3].startswith("[ 2/12] fast slot0 FAIL ISO-02 ")
    assert lines[4] == "    AssertionError: 4 pages"
    assert lines[5] == "pnode: fast: guest slot0 lost"


def test_heartbeat_names_running_tests_and_only_when_quiet():
    stream = io.StringIO()
    live = PlainLive(stream, heartbeat=0.05)
    live.session("fast", 2)
    live.plan(3)
    now = time.monotonic()
    running = [Running("selftests/a.py::test_slow", 1, now - 40, 0.0)]
    live.tick(running)
    assert len(stream.getvalue().splitlines()) == 2
    time.sleep(0.06)
    live.tick(running)
    live.tick(running)
    assert stream.getvalue().splitlines()[2:] == ["[0/3] fast running: slot1 a.py::test_slow 40 s"]
    time.sleep(0.06)
    live.tick([])
    assert "a guest boots" in stream.getvalue().splitlines()[-1]


def test_no_terminal_no_escape_codes(tmp_path):
    with (tmp_path / "log").open("w") as stream:
        live = make_live(stream)
        assert isinstance(live, PlainLive)
        live.session("fast", 1)
        live.result(event(1, "FAIL", "x"))
    assert "\x1b" not in (tmp_path / "log").read_text()


def test_a_closed_pipe_does_not_end_the_run():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        live = make_live(stream)
        assert isinstance(live, PlainLive)
        live.session("fast", 1)
        live.result(event(1))
        assert not stream.closed


def test_a_terminal_that_hangs_up_does_not_end_the_run():
    main, side = pty.openpty()
    with os.fdopen(side, "w") as stream:
        live = make_live(stream)
        assert isinstance(live, TerminalLive)
        live.session("fast", 1)
        os.close(main)
        live.result(event(1, "FAIL", "x"))
        live.note("guest slot0 lost")
        live.end()


def test_on_a_terminal_the_running_tests_are_shown_with_seconds():
    main, side = pty.openpty()
    with os.fdopen(side, "w") as stream:
        live = make_live(stream)
        assert isinstance(live, TerminalLive)
        live.session("fast", 2)
        live.plan(3)
        live.tick([Running("selftests/a.py::test_slow", 1, time.monotonic() - 5, 0.0)])
        live.result(event(1))
        live.result(event(2, "FAIL", "AssertionError: 4 pages"))
        time.sleep(0.6)
        live.end()
    shown = os.read(main, 100000).decode()
    os.close(main)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "fast [2/3]" in plain
    assert "1 PASS 1 FAIL" in plain
    assert re.search(r"slot1 +5\.\d s  a.py::test_slow", plain)
    assert "AssertionError: 4 pages" in plain
