# SPDX-License-Identifier: GPL-2.0-only
import errno
import json
import os
import threading

import pytest

from tools.report.events import RunLog, clip, last_line, read


def test_each_event_is_a_line_on_disk_before_write_returns(tmp_path):
    path = tmp_path / "results.jsonl"
    with RunLog(path) as log:
        log.write("plan", topology="fast", tests=["a"])
        (line,) = path.read_text().splitlines()
        event = json.loads(line)
        assert event.pop("time") > 0
        assert event == {"event": "plan", "topology": "fast", "tests": ["a"]}


@pytest.mark.parametrize("rest", ['{"event":"te', '{"event":"test","time":1}', "\0\0\0", "[1]\n"])
def test_a_truncated_last_line_is_counted_not_fatal(tmp_path, rest):
    path = tmp_path / "results.jsonl"
    path.write_text('{"event":"plan","time":1}\n' + rest)
    found = read(path)
    assert [event["event"] for event in found.events] == ["plan", "test"][: 2 if rest.endswith("1}") else 1]
    assert found.damaged == (rest[-1] in "e\n")


def test_a_line_after_a_truncated_one_is_not_swallowed(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"event":"plan","time":1}\n{"event":"te')
    with RunLog(path) as log:
        log.write("run-end", exit=3)
        assert [event["event"] for event in log.events] == ["plan", "run-end"]
    found = read(path)
    assert [event["event"] for event in found.events] == ["plan", "run-end"]
    assert found.damaged == 1


def test_any_text_survives(tmp_path):
    text = "é \0 \ud800 😀 \x1b[31m \n"
    with RunLog(tmp_path / "results.jsonl") as log:
        log.write("test", message=text)
    assert read(tmp_path / "results.jsonl").events[0]["message"] == text


def test_a_full_disk_is_said_once_and_the_run_goes_on(tmp_path, monkeypatch):
    said = []
    real, room = os.write, [30]

    def write(fd, data):
        if fd != log._fd:
            return real(fd, data)
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(fd, data[: room[0]])
        room[0] -= done
        return done

    log = RunLog(tmp_path / "results.jsonl", complain=said.append)
    monkeypatch.setattr(os, "write", write)
    for number in range(3):
        log.write("test", nodeid=str(number))
    assert len(said) == 1
    assert "ENOSPC" in said[0]
    assert log.broken is not None
    assert log.broken.errno == errno.ENOSPC
    assert len(log.events) == 3
    room[0] = 1000  # somebody made room
    log.write("run-end")
    found = read(log.path)
    assert [event["event"] for event in found.events] == ["run-end"]
    assert found.damaged == 1
    log.close()


def test_threads_do_not_mix_lines(tmp_path):
    with RunLog(tmp_path / "results.jsonl") as log:
        threads = [
            threading.Thread(target=lambda: [log.write("test", text="x" * 5000) for _ in range(20)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = read(tmp_path / "results.jsonl")
    assert (len(found.events), found.damaged) == (80, 0)


def test_clip_keeps_both_ends():
    text = clip("a" * 50 + "z" * 50, 30)
    assert text.startswith("aaaaaaaaaa\n[... 70 characters left out ...]\n")
    assert text.endswith("z" * 20)
    assert clip("short", 30) == "short"


def test_last_line_is_never_empty():
    assert last_line("Traceback\n  File\nKeyError: 1\n\n") == "KeyError: 1"
    assert last_line(EOFError()) == "EOFError"
