# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import kmemleak, paths

TEXT = """\
unreferenced object 0xffff888012345600 (size 192):
  comm "python3", pid 123, jiffies 4294900000
  hex dump (first 32 bytes):
    00 01 10 00 00 00 ad de 22 01 00 00 00 00 ad de  ........".......
    68 65 6c 6c 6f 20 61 6c 6c 6f 63 2b 30 78 31 2f  hello alloc+0x1/
  backtrace (crc 8d1dbd1):
    kmemleak_alloc+0x4a/0x90
    __kmalloc_cache_noprof+0x2b1/0x310
    node_private_register+0x3d/0x1a0
    do_syscall_64+0x5e/0x120
unreferenced object 0xffffea0000000000 (size 64):
  comm "a "b", c", pid 1, jiffies 4294900001 (age 12.3s)
  backtrace:
    [<00000000c18f2d3b>] mt_find_alloc_memory_type+0x50/0x80
"""


def test_leaks_are_read_with_their_backtraces():
    first, second = kmemleak.parse(TEXT)
    assert (first.size, first.comm) == (192, "python3")
    assert first.backtrace[2] == "node_private_register+0x3d/0x1a0"
    assert str(first) == "192 bytes by python3 at node_private_register+0x3d/0x1a0"
    assert "hex dump" in first.text
    assert second.backtrace == ("mt_find_alloc_memory_type+0x50/0x80",)
    assert kmemleak.parse("") == []


def test_a_kernel_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SYS", tmp_path)
    with kmemleak.by_hand() as available:
        assert not available
    assert not kmemleak.scanning()


@pytest.fixture
def orders(tmp_path, monkeypatch):
    """What is written to a file that is there; nothing scans by itself."""
    (tmp_path / "sys/kernel/debug").mkdir(parents=True)
    (tmp_path / "sys/kernel/debug/kmemleak").touch()
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(paths, "SYS", tmp_path / "sys")
    monkeypatch.setattr(paths, "PROC", tmp_path / "proc")
    monkeypatch.setattr(kmemleak, "MIN_AGE", 0.01)
    found = []
    monkeypatch.setattr(paths, "write_text", lambda _path, value: found.append(value))
    monkeypatch.setattr(paths, "read_text", lambda _path: TEXT)
    return found


def test_what_is_written(orders):
    with kmemleak.by_hand() as available:
        assert available
        kmemleak.forget()
        assert len(kmemleak.leaks()) == 2
    assert orders == ["scan=off", "scan", "clear", "scan", "scan"]


@pytest.mark.parametrize(("parent", "last"), [(2, "scan=on"), (1, "scan=off")])
def test_what_was_on_is_on_again(orders, tmp_path, parent, last):
    """The kernel's own thread, not some process that is called like it."""
    (tmp_path / "proc/77").mkdir()
    (tmp_path / "proc/77/stat").write_text(f"77 (kmemleak) S {parent} 0 0 0 -1")
    with kmemleak.by_hand():
        assert orders == ["scan=off"]
    assert orders[-1] == last


@pytest.mark.parametrize("text", ["kmemleak: off\n", "unreferenced object cut sh"])
def test_other_text_is_no_leak(text):
    assert kmemleak.parse(text) == []
