# SPDX-License-Identifier: GPL-2.0-only
import os
import textwrap

import pytest

from helpers import kmsg
from helpers.failing import SECTIONS_WARNING
from helpers.kmsg import KernelLog, Record, parse_record, splats


def log(text, step=1000):
    """Records of the kernel, one a line."""
    lines = textwrap.dedent(text).strip("\n").split("\n")
    return [Record(4, seq, seq * step, line) for seq, line in enumerate(lines)]


WARN = """\
    ------------[ cut here ]------------
    refcount_t: underflow; use-after-free.
    WARNING: CPU: 1 PID: 77 at mm/page_alloc.c:123 __alloc_pages+0x1/0x2
    Modules linked in: pnode_test(O)
    RIP: 0010:__alloc_pages+0x1/0x2
     </TASK>
    ---[ end trace 0000000000000000 ]---
"""
OOPS = """\
    BUG: unable to handle page fault for address: ffffc90000000000
    #PF: supervisor write access in kernel mode
    Oops: 0002 [#1] PREEMPT SMP
    RIP: 0010:node_private_register+0x1/0x2
    ---[ end trace 0000000000000000 ]---
"""
LOCKDEP = """\
    ======================================================
    WARNING: possible circular locking dependency detected
    6.12.0 #1 Not tainted
    stack backtrace:
    Call Trace:
     <TASK>
     </TASK>
"""


def kinds(text, **kwargs):
    return [splat.kind for splat in splats(log(text), **kwargs)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("WARNING: CPU: 0 PID: 1 at mm/x.c:12 f+0x1/0x2", "WARNING"),
        ("WARNING: mm/x.c:12 at f+0x1/0x2, CPU#0: a/1", "WARNING"),
        ("WARNING: suspicious RCU usage", "lockdep"),
        ("WARNING: inconsistent lock state", "lockdep"),
        ("WARNING: possible recursive locking detected", "lockdep"),
        ("WARNING: possible irq lock inversion dependency detected", "lockdep"),
        ("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "lockdep"),
        ("WARNING: bad unlock balance detected!", "lockdep"),
        ("WARNING: lock held when returning to user space!", "lockdep"),
        ("WARNING: held lock freed!", "lockdep"),
        ("BUG: KASAN: slab-use-after-free in f+0x1/0x2", "KASAN"),
        ("UBSAN: array-index-out-of-bounds in mm/x.c:1:2", "UBSAN"),
        ("BUG: Bad page state in process a  pfn:12345", "bad-page"),
        ("BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1", "bad-page"),
        ("BUG kmalloc-64 (Tainted: G): Poison overwritten", "slab"),
        ("BUG: sleeping function called from invalid context at mm/x.c:1", "sleeping"),
        ("BUG: scheduling while atomic: a/1/0x00000002", "sleeping"),
        ("kernel BUG at mm/x.c:1!", "BUG"),
        ("BUG: kernel NULL pointer dereference, address: 0000000000000008", "BUG"),
        ("Oops: general protection fault, probably for non-canonical address 0xdead", "GPF"),
        ("general protection fault: 0000 [#1] SMP", "GPF"),
        ("Kernel panic - not syncing: Fatal exception", "panic"),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [a:1]", "soft-lockup"),
        ("watchdog: Watchdog detected hard LOCKUP on cpu 1", "hard-lockup"),
        ("INFO: task a:1 blocked for more than 120 seconds.", "hung-task"),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", "RCU-stall"),
        ("rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 0-... }", "RCU-stall"),
        ("INFO: rcu_tasks detected stalls on tasks:", "RCU-stall"),
        ("a: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL), nodemask=(null)", "alloc-failure"),
        ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!", "workqueue"),
        ("kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", "kmemleak"),
        ("vmstat_refresh: nr_isolated_anon -183033", "vmstat"),
    ],
)
def test_every_kind_is_known(line, kind):
    (splat,) = splats(log(line))
    assert (splat.kind, splat.title) == (kind, line)


@pytest.mark.parametrize(
    "line",
    [
        "Linux version 6.12.0",
        "Memory: 123K/456K available",
        "Debug: sleeping",
        "DEBUG: x",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled",
        "WARNING: this kernel is a preview",
        "workqueue: f hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
        "Memory failure: 0x123: recovery action for dirty LRU page: Recovered",
        "oom-kill:constraint=CONSTRAINT_MEMCG",
        "Memory cgroup out of memory: Killed process 5 (a)",
        "Offlined Pages 32768",
        "vmstat_refresh: nr_isolated_anon -31",
    ],
)
def test_other_lines_are_none(line):
    assert splats(log(line)) == []


def test_a_warning_is_gathered_with_its_message():
    before, after = "boot line\n", "    afterwards\n"
    (splat,) = splats(log(before + textwrap.dedent(WARN) + textwrap.dedent(after)))
    assert splat.kind == "WARNING"
    assert splat.title.startswith("WARNING: CPU: 1 PID: 77 at mm/page_alloc.c:123")
    assert splat.seq == 1
    assert "refcount_t: underflow" in splat.text
    assert splat.text.endswith("---[ end trace 0000000000000000 ]---")
    assert str(splat).startswith("WARNING: WARNING: CPU: 1")


def test_two_splats_in_a_row():
    assert kinds(WARN + OOPS) == ["WARNING", "BUG"]


def test_a_crash_report_is_one_splat():
    crash = "------------[ cut here ]------------\nkernel BUG at mm/x.c:1!\n" + textwrap.dedent(
        OOPS[OOPS.index("    Oops") :]
    )
    assert kinds(crash) == ["BUG"]


def test_a_worse_splat_does_not_hide_in_an_allowed_one():
    unfinished = textwrap.dedent(WARN).split("---[ end")[0]
    text = unfinished + textwrap.dedent(OOPS)
    assert kinds(text) == ["WARNING", "BUG"]
    assert kinds(text, allow=["__alloc_pages"]) == ["BUG"]


def test_lockdep_report():
    (splat,) = splats(log(LOCKDEP))
    assert splat.kind == "lockdep"
    assert "stack backtrace" in splat.text


def test_silence_ends_a_splat():
    records = log("WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2\nCall Trace:")
    late = Record(6, 99, 60_000_000, "a minute later")
    (splat,) = splats([*records, late])
    assert "a minute later" not in splat.text


def test_a_lost_middle_is_still_a_warning():
    assert kinds("------------[ cut here ]------------\n") == ["WARNING"]


def test_endless_splat_is_cut():
    lines = "kernel BUG at mm/x.c:1!\n" + "noise\n" * 1000
    (splat,) = splats(log(lines))
    assert splat.text.count("\n") + 1 == kmsg.rules().limit


def test_out_of_memory_only_when_asked():
    text = "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\nMem-Info:\n"
    text += "oom-kill:constraint=CONSTRAINT_NONE\nOut of memory: Killed process 7 (a) total-vm:1kB\n"
    assert kinds(text) == []
    assert kinds(text, asked=("OOM",)) == ["OOM"]


def test_lines_from_user_space_are_not_believed():
    assert splats([Record(4, 0, 0, "kernel BUG at mm/x.c:1!", facility=1)]) == []


def test_parse_record():
    record = parse_record("30,339,5140900,-,caller=T1;a\\x0ab;c\n SUBSYSTEM=acpi\n DEVICE=+acpi:x\n")
    assert record == Record(6, 339, 5140900, "a\nb;c", 3)
    assert str(record) == "[    5.140900] a\nb;c"
    assert not record.from_kernel
    with pytest.raises(ValueError, match="not a /dev/kmsg record"):
        parse_record("hello")


def test_rules_refuse_unknown_keys(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text('[limits]\nrecords=1\ngap_seconds=1\n[[kind]]\nname="x"\nstarts=["a"]\n')
    with pytest.raises(ValueError, match="unknown keys \\['starts'\\]"):
        kmsg.load_rules(path)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("WARNING: CPU: 0 PID: 1 at mm/x.c:12 f+0x1/0x2", True),
        ("WARNING: CPU: 0 PID: 1 at ./linux/mm/x.c:12 f+0x1/0x2", True),
        ("WARNING: mm/x.c:12 at f+0x1/0x2, CPU#0: a/1", True),
        ("WARNING: [!busy] mm/x.c:12 at f+0x1/0x2, CPU#0: a/1", True),
        ("WARNING: CPU: 0 PID: 1 at fs/x.c:12 f+0x1/0x2", False),
        ("WARNING: fs/x.c:12 at f+0x1/0x2, CPU#0: a/mm/x.c:1", False),
        ("WARNING: CPU: 0 PID: 1 at mm/x.c:12 g+0x1/0x2", False),
        ("WARNING: mm/x.c:12 at g+0x1/0x2, CPU#0: a/1", False),
    ],
)
def test_warning_at_a_place_in_either_form(line, found):
    expression = kmsg.warning_at(r"mm/\S+") + r"f\+"
    assert [kmsg.found_in(splat, expression) for splat in splats(log(line))] == [found]
    assert len(splats(log(line), [expression])) == (not found)


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: CPU: 0 PID: 1 at arch/x86/mm/init_64.c:986 add_pages+0x1/0x2",
        "WARNING: arch/x86/mm/init_64.c:986 at add_pages+0x1/0x2, CPU#0: a/1",
    ],
)
def test_warning_of_add_pages_in_either_form(line):
    assert splats(log(line)) != []
    assert splats(log(line), [SECTIONS_WARNING]) == []


def real_log(flags):
    try:
        os.close(os.open("/dev/kmsg", flags))
    except OSError:
        pytest.skip("no access to /dev/kmsg")


def test_the_running_kernel():
    real_log(os.O_RDONLY)
    with KernelLog() as log:
        records = log.read()
    assert [record.seq for record in records] == sorted({record.seq for record in records})


def test_mark_is_read_back_and_is_no_splat():
    real_log(os.O_RDWR)
    with KernelLog.tail() as tail:
        kmsg.mark("pnode unit test: kernel BUG at nowhere!\nsecond line")
        mine = [record for record in tail.read() if "pnode unit test" in record.text]
        assert [record.text for record in mine] == ["pnode unit test: kernel BUG at nowhere! second line"]
        assert splats(mine) == []
        assert not [record for record in tail.read() if "pnode unit test" in record.text]
