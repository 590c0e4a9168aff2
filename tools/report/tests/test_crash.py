# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest went away, from what is left of it."""

import json

import pytest

from tools.guest.inquest import Finding
from tools.report.crash import examine
from tools.report.events import Kind, Outcome

OOPS = """\
[    9.1] pnode-guest: {"state": "ready"}
[   12.0] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   12.0] #PF: supervisor read access in kernel mode
[   12.0] RIP: 0010:get_page_from_freelist+0x10/0x20
[   12.1] Kernel panic - not syncing: Fatal exception
"""


@pytest.fixture
def boot(tmp_path):
    path = tmp_path / "guests" / "slot1" / "boot2"
    path.mkdir(parents=True)
    (path.parent / "current").symlink_to("boot2")
    (path / "console.log").write_text(OOPS)
    return path


def state(boot, **fields):
    (boot / "state.json").write_text(json.dumps(fields))


def no_sleep(seconds):
    assert seconds < 1


def test_no_guest_at_all(tmp_path):
    death = examine(tmp_path, None)
    assert death.kind is Kind.GUEST_LOST
    assert death.console is None
    assert examine(tmp_path, 0, Finding("test", "ran longer than 1 s")).kind is Kind.TEST_HANG


@pytest.mark.parametrize(
    ("reason", "kind", "outcome", "text"),
    [
        ("panic: sysrq triggered crash", Kind.PANIC, Outcome.FAIL, "sysrq triggered crash"),
        ("nmi: panic by NMI", Kind.PANIC, Outcome.FAIL, "panic by NMI"),
        ("oops: kernel BUG at mm/gup.c:1!", Kind.OOPS, Outcome.FAIL, "kernel BUG at mm/gup.c:1!"),
        ("killed: by hand", Kind.GUEST_LOST, Outcome.ERROR, "killed: by hand"),
        ("qemu: killed by SIGKILL", Kind.GUEST_LOST, Outcome.ERROR, "qemu: killed by SIGKILL"),
        ("reboot: Power down", Kind.GUEST_LOST, Outcome.ERROR, "reboot: Power down"),
        ("reset: the machine reset", Kind.GUEST_LOST, Outcome.FAIL, "reset: the machine reset"),
        ("worker: exit 1", Kind.GUEST_LOST, Outcome.ERROR, "worker: exit 1"),
        ("worker: SIGSEGV", Kind.GUEST_LOST, Outcome.FAIL, "worker: SIGSEGV"),
    ],
)
def test_what_the_wrapper_noted_is_the_reason(boot, reason, kind, outcome, text):
    state(boot, state="dead", reason=reason, excerpt="lines")
    death = examine(boot.parents[2], 1)
    assert (death.kind, death.outcome, death.reason, death.excerpt) == (kind, outcome, text, "lines")
    assert death.console == "guests/slot1/boot2/console.log"
    assert death.boot == 2


def test_the_watchdogs_own_reason_wins(boot):
    state(boot, state="dead", reason="killed: hang", excerpt="NMI backtrace")
    death = examine(boot.parents[2], 1, Finding("kernel", "ran longer than 120 s", "RIP=ffffffff"))
    assert (death.kind, death.reason) == (Kind.KERNEL_HANG, "ran longer than 120 s")
    assert death.excerpt == "RIP=ffffffff\n\nNMI backtrace"
    assert death.outcome is Outcome.FAIL


def test_a_machine_that_does_not_answer_says_nothing_of_the_kernel(boot):
    state(boot, state="dead", reason="killed: hang", excerpt="")
    death = examine(boot.parents[2], 1, Finding("machine", "nor does QEMU"))
    assert (death.kind, death.outcome) == (Kind.GUEST_LOST, Outcome.ERROR)


def test_a_kernel_that_dies_during_the_inquest_has_died_by_itself(boot):
    state(boot, state="dead", reason="panic: softlockup: hung tasks", excerpt="")
    death = examine(boot.parents[2], 1, Finding("kernel", "ran longer than 120 s"))
    assert (death.kind, death.reason) == (Kind.PANIC, "softlockup: hung tasks")


@pytest.mark.parametrize(
    ("last", "kind"), [("test_it.py::test_stops", Kind.OOPS), ("test_it.py::test_next", Kind.GUEST_LOST)]
)
def test_an_oops_of_another_test_than_the_overdue_one(boot, last, kind):
    """Its wrapper was stopped, so nobody heard that the guest went on."""
    (boot / "console.log").write_text(
        f"pnode-test: start test_it.py::test_stops\npnode-test: start {last}\n{OOPS}"
    )
    death = examine(
        boot.parents[2],
        1,
        Finding("machine", "its worker wrapper is stopped"),
        "test_it.py::test_stops",
        sleep=no_sleep,
    )
    assert death.kind is kind


def test_a_wrapper_that_was_killed_leaves_the_console_as_witness(boot):
    state(boot, state="ready", reason=None)
    death = examine(boot.parents[2], 1, sleep=no_sleep)
    assert death.kind is Kind.OOPS
    assert death.reason == "BUG: kernel NULL pointer dereference, address: 0000000000000008"
    assert "get_page_from_freelist" in death.excerpt


def test_a_silent_end(boot):
    (boot / "console.log").write_text("[    9.1] random: crng init done\n")
    (boot / "state.json").write_text("{")
    death = examine(boot.parents[2], 1, sleep=no_sleep)
    assert death.kind is Kind.GUEST_LOST
    assert "random: crng init done" in death.reason


def test_waits_for_the_wrapper_to_write_its_reason(boot):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            state(boot, state="dead", reason="panic: late")

    assert examine(boot.parents[2], 1, sleep=sleep).reason == "late"
    assert len(naps) == 3
