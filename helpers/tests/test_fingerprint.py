# SPDX-License-Identifier: GPL-2.0-only
"""Fingerprints of real splats. Those in splats/ are from the kernel's own documentation (in Documentation:
dev-tools, RCU/lockdep-splat.rst, admin-guide/bug-hunting.rst) and from consoles of this suite's guests."""

import re
from pathlib import Path

import pytest

from helpers import kmsg
from helpers.fingerprint import fingerprint_of, stack_lines
from helpers.kmsg import Record, Splat

SPLATS = Path(__file__).with_name("splats")
#: What each is, and the functions that it is known by.
KNOWN = {
    "panic-sysrq-crash": (
        "panic",
        "sysrq_handle_crash __handle_sysrq write_sysrq_trigger proc_reg_write vfs_write",
    ),
    "warning-private-memory-in-use": (
        "WARNING",
        "private_node_evacuates offline_pages memory_subsys_offline device_offline try_offline_memory_block",
    ),
    "kasan-slab-out-of-bounds": (
        "KASAN: slab-out-of-bounds",
        "kmalloc_oob_right kmalloc_tests_init do_one_initcall do_init_module load_module",
    ),
    "kcsan-data-race": (
        "KCSAN: data-race in test_kernel_read / test_kernel_write",
        "test_kernel_write access_thread kthread ret_from_fork",
    ),
    "kfence-out-of-bounds-read": (
        "KFENCE: out-of-bounds read",
        "test_out_of_bounds_read kunit_try_run_case kunit_generic_run_threadfn_adapter kthread ret_from_fork",
    ),
    "kfence-use-after-free-read": (
        "KFENCE: use-after-free read",
        "test_use_after_free_read kunit_try_run_case kunit_generic_run_threadfn_adapter kthread "
        "ret_from_fork",
    ),
    "lockdep-suspicious-rcu-usage": (
        "lockdep: suspicious RCU usage",
        "__cfq_exit_single_io_context cfq_exit_queue elevator_exit blk_cleanup_queue scsi_free_queue",
    ),
    "oom-in-a-cgroup": (
        "OOM",
        "mem_cgroup_out_of_memory try_charge_memcg __mem_cgroup_charge do_anonymous_page __handle_mm_fault",
    ),
    "rcu-stall": (
        "RCU-stall",
        "rcu_gp_fqs_loop rcu_gp_kthread kthread ret_from_fork ret_from_fork_asm",
    ),
    "soft-lockup": (
        "soft-lockup",
        "memcpy copy_page_from_iter_atomic generic_perform_write shmem_file_write_iter __kernel_write_iter",
    ),
    "ubsan-shift": (
        "UBSAN: Undefined",
        "_mix_pool_bytes add_device_randomness dmi_walk_early dmi_scan_machine setup_arch",
    ),
    # Not the functions that its interrupt came upon.
    "warning-in-an-interrupt": ("WARNING", "hrtimer_forward dl_task_timer"),
    "warning-every-frame-a-guess": (
        "WARNING",
        "module_put gp8psk_fe_set_frontend symbol_put_addr dvb_usb_adapter_frontend_exit dvb_usb_exit",
    ),
}


def records(text):
    return [Record(4, seq, seq * 1000, line) for seq, line in enumerate(text.split("\n"))]


def the_splat(text, **options):
    (splat,) = kmsg.splats(records(text), **options)
    return splat


def of_file(name):
    return the_splat((SPLATS / f"{name}.txt").read_text(), asked=("OOM",))


def test_each_splat_is_listed():
    assert {path.stem for path in SPLATS.glob("*.txt")} == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_real_splat_is_known_by(name):
    found = fingerprint_of(of_file(name))
    assert (found.what, " ".join(found.functions)) == KNOWN[name]
    assert re.fullmatch("[0-9a-f]{12}", found.digest)


def test_no_two_of_them_are_the_same():
    assert len({fingerprint_of(of_file(name)).digest for name in KNOWN}) == len(KNOWN)


def elsewhere(text):
    """The same splat on another boot, CPU, task and build."""
    text = re.sub(r"\b[0-9a-f]{8,16}\b", lambda match: match[0][::-1], text)
    text = re.sub(r"\+0x[0-9a-f]+/0x[0-9a-f]+", "+0x11/0x222", text)
    text = re.sub(r"0x[0-9a-f]{9,}", "0xffff888000000000", text)
    text = re.sub(r"(?i)\b(pid|cpu|task|on cpu)(:? )\d+", r"\1\g<2>7", text)
    return re.sub(r"(?m)^( \[?.*\w)\+0x11", r"\1.isra.0+0x11", text)


@pytest.mark.parametrize("name", KNOWN)
def test_the_same_elsewhere_is_the_same(name):
    text = (SPLATS / f"{name}.txt").read_text()
    assert elsewhere(text) != text
    moved = the_splat(elsewhere(text), asked=("OOM",))
    assert fingerprint_of(moved) == fingerprint_of(of_file(name))


def test_time_stamps_and_callers_are_no_part_of_it():
    text = (SPLATS / "kasan-slab-out-of-bounds.txt").read_text()
    for stamp in ("[   12.345678] ", "[   12.345678][   T77] ", "[   12.345678][    C0] "):
        stamped = Splat("KASAN", 0, of_file("kasan-slab-out-of-bounds").title, re.sub("(?m)^", stamp, text))
        assert fingerprint_of(stamped) == fingerprint_of(of_file("kasan-slab-out-of-bounds"))


def test_another_place_is_another_splat():
    warn = "WARNING: CPU: 0 PID: 1 at mm/x.c:1 {f}+0x1/0x2\nCall Trace:\n <TASK>\n caller+0x1/0x2\n </TASK>"
    one, other = (fingerprint_of(the_splat(warn.format(f=name))) for name in ("f", "g"))
    assert one.digest != other.digest
    assert one.functions == ("f", "caller")


def test_without_a_stack_the_title_tells():
    text = "BUG: Bad rss-counter state mm:00000000{a} type:MM_ANONPAGES val:{n}"
    one = fingerprint_of(the_splat(text.format(a="deadbeef", n=1)))
    assert one == fingerprint_of(the_splat(text.format(a="0badcafe", n=77)))
    assert one.functions == ()
    file = fingerprint_of(the_splat(text.replace("ANON", "FILE").format(a="deadbeef", n=1)))
    assert one.digest != file.digest


def test_only_the_first_stack_counts():
    text = (
        "BUG: KASAN: slab-use-after-free in f+0x1/0x2\nCall Trace:\n <TASK>\n kasan_report+0x1/0x2\n"
        " f+0x1/0x2\n </TASK>\n\nAllocated by task 1:\n a+0x1/0x2\n\nFreed by task 1:\n b+0x1/0x2\n"
    )
    assert fingerprint_of(the_splat(text)).functions == ("f",)


def test_frames_as_they_stand():
    lines = stack_lines((SPLATS / "lockdep-suspicious-rcu-usage.txt").read_text())
    assert lines[0] == " [<ffffffff812b6139>] __cfq_exit_single_io_context+0xe9/0x120"
    assert not any("? " in line for line in lines)


def test_a_kind_says_what_follows_from_another():
    oops = "BUG: kernel NULL pointer dereference, address: 0\n---[ end trace 0 ]---\n"
    text = oops + "Kernel panic - not syncing: Fatal exception in interrupt\n"
    assert [splat.kind for splat in kmsg.causes(kmsg.splats(records(text)))] == ["BUG"]
    text = oops + "Kernel panic - not syncing: Attempted to kill init! exitcode=0x9\n"
    assert [splat.kind for splat in kmsg.causes(kmsg.splats(records(text)))] == ["BUG", "panic"]
    alone = kmsg.splats(records("Kernel panic - not syncing: Fatal exception\n"))
    assert len(kmsg.causes(alone)) == 1
