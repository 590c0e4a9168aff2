# SPDX-License-Identifier: GPL-2.0-only
import json

import pytest

from tools.report.crash import examine
from tools.report.events import Kind

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
    assert examine(tmp_path, 0, hang="ran longer than 1 s").kind is Kind.HANG


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        ("panic: sysrq triggered crash", Kind.PANIC, "sysrq triggered crash"),
        ("nmi: panic by NMI", Kind.PANIC, "panic by NMI"),
        ("oops: kernel BUG at mm/page_alloc.c:1!", Kind.OOPS, "kernel BUG at mm/page_alloc.c:1!"),
        ("killed: by hand", Kind.GUEST_LOST, "killed: by hand"),
        (
            "qemu: ended without a word from the kernel",
            Kind.GUEST_LOST,
            "qemu: ended without a word from the kernel",
        ),
        ("worker: exit 1", Kind.GUEST_LOST, "worker: exit 1"),
    ],
)
def test_what_the_wrapper_noted_is_the_reason(boot, reason, kind, text):
    state(boot, state="dead", reason=reason, excerpt="lines")
    death = examine(boot.parents[2], 1)
    assert (death.kind, death.reason, death.excerpt) == (kind, text, "lines")
    assert death.console == "guests/slot1/boot2/console.log"
    assert death.boot == 2


def test_the_watchdogs_own_reason_wins(boot):
    state(boot, state="dead", reason="killed: hang", excerpt="NMI backtrace")
    death = examine(boot.parents[2], 1, hang="ran longer than 120 s")
    assert (death.kind, death.reason, death.excerpt) == (Kind.HANG, "ran longer than 120 s", "NMI backtrace")


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
