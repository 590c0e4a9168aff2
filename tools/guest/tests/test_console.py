# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

from tools.guest import console

BOOT = """\
[    0.000000] Linux version 6.12.117 (build@host)
[    1.500000] Run /init as init process
[    3.700000] pnode-guest: {"state": "ready", "release": "6.12.117"}
"""
PANIC = """\
[    9.100000] sysrq: Trigger a crash
[    9.100100] Kernel panic - not syncing: sysrq triggered crash
[    9.100200] CPU: 1 UID: 0 PID: 77 Comm: python Not tainted
"""
OOPS = """\
[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    9.000100] Oops: Oops: 0002 [#1] PREEMPT SMP
[    9.100100] Kernel panic - not syncing: Fatal exception
"""
NMI = """\
[    7.966979] Uhhuh. NMI received for unknown reason 21 on CPU 0.
[    7.970406] Kernel panic - not syncing: NMI: Not continuing
"""


def test_the_panic_is_the_reason() -> None:
    found = console.death(BOOT + PANIC)
    assert (found.kind, found.text) == ("panic", "sysrq triggered crash")
    assert "sysrq: Trigger" in found.excerpt
    assert "Comm: python" in found.excerpt


def test_an_oops_that_became_a_panic_is_named_by_its_first_line() -> None:
    found = console.death(BOOT + OOPS)
    assert (found.kind, found.text) == (
        "oops",
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    )


def test_what_the_kernel_lived_on_after_is_not_what_it_died_of() -> None:
    stuck = (
        "[    5.0] watchdog: BUG: soft lockup - CPU#0 stuck for 25s! [swapper/0:1]\n" + "[    6.0] x\n" * 20
    )
    found = console.death(BOOT + stuck + PANIC)
    assert (found.kind, found.text) == ("panic", "sysrq triggered crash")
    found = console.death(BOOT + stuck + OOPS)
    assert (found.kind, found.text[:35]) == ("oops", "BUG: kernel NULL pointer dereferenc")


def test_a_panic_from_our_own_nmi_is_told_apart() -> None:
    assert console.death(BOOT + NMI).kind == "nmi"


def test_an_orderly_end() -> None:
    found = console.death(BOOT + '[    9.0] pnode-guest: {"state": "over", "status": "exit 0"}\n')
    assert (found.kind, found.text) == ("over", "exit 0")


def test_silence_shows_the_last_line() -> None:
    found = console.death(BOOT + "[   10.0] the last thing\n\n")
    assert (found.kind, found.text) == ("silent", "the last thing")
    assert console.death("").kind == "silent"


def test_an_excerpt_is_bounded() -> None:
    found = console.death(BOOT + PANIC + "x" * 200 * 1000 + "\n" * 1000)
    assert len(found.excerpt) <= console.EXCERPT_BYTES


def test_a_record_that_is_cut_off_does_not_count() -> None:
    assert console.records(BOOT[:-10]) == []
    assert console.records(BOOT)[0]["release"] == "6.12.117"
    assert console.records('pnode-guest: {"no": "state"}\n') == []


def test_a_console_may_hold_any_bytes(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    assert console.text(log) == ""
    log.write_bytes(b"\xff\xfe\r\n" + BOOT.encode())
    assert console.records(console.text(log))


def test_of_a_flooded_console_both_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    line = b"x" * 1023 + b"\n"
    path.write_bytes(b"first\n" + line * (20 << 10) + b"[ 9.0] Kernel panic - not syncing: last\n")
    found = console.text(path)
    assert found.startswith("first\n")
    assert "[15 MiB of the console left out]" in found
    assert len(found) < 6 << 20
    assert console.death(found).text == "last"
