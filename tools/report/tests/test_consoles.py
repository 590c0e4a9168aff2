# SPDX-License-Identifier: GPL-2.0-only
"""A console cut by test while it grows, and the splats on it where no test looks."""

import json
from pathlib import Path

import pytest

from helpers import testmarks
from helpers.allowed import Allowed
from tools.report.consoles import MOST_LINES, Console, records
from tools.report.events import RunLog
from tools.report.splats import Splats

A, B = "selftests/a.py::test_a", "selftests/b.py::test_b[1]"
WARN = """\
------------[ cut here ]------------
WARNING: CPU: 0 PID: 1 at mm/x.c:1 {name}+0x1/0x2
RIP: 0010:{name}+0x1/0x2
Call Trace:
 <TASK>
 caller+0x1/0x2
 </TASK>
---[ end trace 0000000000000000 ]---
"""


def lines(*texts, at=10.0):
    """As a serial console shows them."""
    out = []
    for text in texts:
        for line in text.rstrip("\n").split("\n"):
            out.append(f"[{at:12.6f}] {line}\r\n")
            at += 0.001
    return "".join(out)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "console.log"


def start(nodeid):
    return testmarks.start_of(nodeid)


def test_each_test_has_its_lines(file):
    file.write_text(
        lines("boot", "more", start(A), "in a", testmarks.END, "between", start(B), "in b", testmarks.END)
    )
    console = Console(file)
    console.follow()
    assert console.part(A) == (3, 5)
    assert console.part(B) == (7, 9)
    assert console.part("selftests/c.py::test_c") is None
    assert [(part.after, part.first, part.last) for part in console.outside()] == [(None, 1, 2), (A, 6, 6)]
    assert list(console.outside()) == []
    assert list(console.outside(final=True)) == []


def test_it_may_be_read_in_pieces(file):
    text = lines("boot", start(A), "in a", testmarks.END, "after").encode()
    console = Console(file)
    console.follow()  # nothing there yet
    for size in range(0, len(text) + 1, 7):
        file.write_bytes(text[:size])
        console.follow()
    file.write_bytes(text)
    console.follow()
    assert console.part(A) == (2, 4)
    assert [part.text[-5:] for part in console.outside(final=True)] == [" boot", "after"]


def test_a_guest_that_died_leaves_its_last_test_open(file):
    file.write_text(lines(start(A), testmarks.END, start(B), "in b") + "[    1.0] torn")
    console = Console(file)
    console.follow()
    assert console.part(B) == (3, 4)
    assert not console.ended(B)
    assert console.ended(A)
    part = console.unfinished()
    assert part is not None
    assert part.test == B
    assert "in b" in part.text


def test_a_mark_behind_the_output_of_a_program(file):
    file.write_text("Traceback: no newline" + lines(start(A), "x", testmarks.END))
    console = Console(file)
    console.follow()
    assert console.part(A) == (1, 3)


def test_a_test_that_fills_its_console_keeps_its_last_lines(file):
    file.write_text(lines(start(A), *(f"line {number}" for number in range(MOST_LINES + 50)), testmarks.END))
    console = Console(file)
    console.follow()
    assert console.part(A) == (1, MOST_LINES + 52)
    for more in ("x" * (1 << 20), lines(start(B))):
        with file.open("a") as stream:
            stream.write(more)
        console.follow()
    assert console.part(B) == (MOST_LINES + 53, MOST_LINES + 53)


def test_names_are_cut_alike_on_both_sides(file):
    long = [f"selftests/a.py::test_a[{'x' * 2000}{number}é\n]" for number in (1, 2)]
    assert len({testmarks.name_of(name) for name in long}) == 2
    assert all(len(testmarks.start_of(name)) < 940 for name in long)
    file.write_text(lines(*(line for name in long for line in (start(name), testmarks.END))))
    console = Console(file)
    console.follow()
    assert [console.part(name) for name in long] == [(1, 2), (3, 4)]


def test_words_of_the_kernel(file):
    file.write_text(lines("said", "pnode-guest: {}") + "a program\r\n[    3.000000][    T7] and that\r\n")
    console = Console(file)
    console.follow()
    (part,) = console.outside(final=True)
    said = [(record.text, record.usec) for record in records(part)]
    assert said == [("said", 10_000_000), ("and that", 3_000_000)]
    file.with_name("plain.log").write_text("no stamps\nat all\n")
    console = Console(file.with_name("plain.log"))
    console.follow()
    (part,) = console.outside(final=True)
    assert [record.text for record in records(part)] == ["no stamps", "at all"]


class Guests:
    """A run's directory with consoles in it."""

    def __init__(self, run_dir: Path, allowed=()):
        self.run_dir = run_dir
        self.log = RunLog(run_dir / "results.jsonl")
        self.splats = Splats(self.log, "fast", run_dir, allowed)

    def console(self, slot: int, text: str, boot: int = 0) -> None:
        folder = self.run_dir / f"guests/slot{slot}/boot{boot}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "console.log").open("a") as file:
            file.write(text)
        link = folder.parent / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)

    def events(self):
        return [event for event in self.log.events if event["event"] == "splat"]


def test_splats_of_boot_and_between_tests_are_told_once(tmp_path):
    guests = Guests(tmp_path)
    warn = WARN.format(name="at_boot")
    for slot in (0, 1):
        guests.console(slot, lines("Linux version", warn, start(A), WARN.format(name="f"), testmarks.END))
    assert guests.splats.place(A, 0) == ("guests/slot0/boot0/console.log", [10, 19])
    guests.splats.place(A, 1)
    guests.console(0, lines(WARN.format(name="late"), at=99.0))
    guests.splats.finish()
    guests.splats.finish()
    told = [(e["slot"], e["during"], e["functions"][0], e["after"], e["line"]) for e in guests.events()]
    assert told == [
        (0, "boot", "at_boot", None, 2),
        (1, "boot", "at_boot", None, 2),
        (0, "between", "late", A, 20),
    ]
    # the text is there once
    assert [event["text"] is None for event in guests.events()] == [False, True, False]
    assert all(event["nodeid"] is None and event["allowed"] is None for event in guests.events())


def test_what_a_guest_died_of_belongs_to_the_test_it_ran(tmp_path):
    guests = Guests(tmp_path)
    oops = "BUG: kernel NULL pointer dereference, address: 0\nRIP: 0010:f+0x1/0x2\n---[ end trace 0 ]---"
    panic = "Kernel panic - not syncing: Fatal exception\n---[ end Kernel panic - not syncing ]---"
    guests.console(0, lines("boot", start(A), "in a", oops, panic))
    part = guests.splats.guest_ended(0, A, fatal=True)
    assert part is not None
    assert "in a" in part.text
    (event,) = guests.events()
    assert (event["nodeid"], event["kind"], event["fatal"]) == (A, "BUG", True)
    assert guests.splats.of_test(A, 0, []) == ([], [event["digest"]])
    # its end is not told again, and the next guest of the slot is another one
    assert guests.splats.guest_ended(0, A) is None
    guests.console(0, lines("boot", start(A), testmarks.END), boot=1)
    assert guests.splats.place(A, 0) == ("guests/slot0/boot1/console.log", [2, 3])
    assert len(guests.events()) == 1


def test_an_injected_nmi_is_no_splat(tmp_path):
    guests = Guests(tmp_path)
    guests.console(0, lines(start(A), "Kernel panic - not syncing: NMI: Not continuing"))
    assert guests.splats.guest_ended(0, A) is not None
    assert guests.events() == []


def test_splats_that_are_allowed_at_boot(tmp_path):
    guests = Guests(tmp_path, [Allowed("known.toml: [[allowed]] 1", "old firmware", text="at mm/x.c")])
    guests.console(0, lines(WARN.format(name="f"), start(A)))
    guests.splats.place(A, 0)
    (event,) = guests.events()
    assert (event["allowed"], event["by"]) == ("old firmware", "known.toml: [[allowed]] 1")


def test_a_splat_that_is_allowed_at_boot_is_not_in_a_test(tmp_path):
    guests = Guests(tmp_path, [Allowed("k", "busy host", kind="soft-lockup", during="boot")])
    stuck = "watchdog: BUG: soft lockup - CPU#0 stuck for 25s! [swapper/0:1]\n---[ end trace 0 ]---"
    guests.console(0, lines("Linux version", stuck, start(A), testmarks.END, stuck, start(B), stuck))
    guests.splats.place(A, 0)
    guests.splats.guest_ended(0, B)
    told = [(event["during"], event["allowed"]) for event in guests.events()]
    assert told == [("boot", "busy host"), ("between", None), ("test", None)]


def test_splats_that_tests_tell_of(tmp_path):
    guests = Guests(tmp_path)
    row = {"kind": "WARNING", "what": "WARNING", "digest": "0" * 12, "functions": ["f"], "title": "t"}
    row["text"] = "x"
    properties = [
        ["requirement", "ISO-02"],
        ["splat", json.dumps(row | {"allowed": None, "by": None})],
        ["splat", json.dumps(row | {"digest": "1" * 12, "allowed": "provoked", "by": "test"})],
    ]
    rest, bad = guests.splats.of_test(A, None, properties)
    assert (rest, bad) == ([["requirement", "ISO-02"]], ["0" * 12])
    told = [(event["nodeid"], event["during"], event["by"]) for event in guests.events()]
    assert told == [(A, "test", None), (A, "test", "test")]


def test_a_guest_without_a_console_is_none(tmp_path):
    guests = Guests(tmp_path)
    assert guests.splats.place(A, 3) == (None, None)
    assert guests.splats.guest_ended(3, A) is None
    assert guests.splats.place(A, None) == (None, None)
