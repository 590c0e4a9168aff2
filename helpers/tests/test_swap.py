# SPDX-License-Identifier: GPL-2.0-only
import errno
import shutil
import struct
import subprocess

import pytest

from helpers import swap
from helpers.syscalls import PAGE_SIZE


def test_header():
    page = swap.header(100, "label")
    assert len(page) == PAGE_SIZE
    assert page.endswith(b"SWAPSPACE2")
    assert struct.unpack_from("=III", page, 1024) == (1, 99, 0)
    assert not any(page[:1024])
    with pytest.raises(ValueError, match="needs 10 pages"):
        swap.header(9)


def test_make_swap_on_a_file(tmp_path):
    path = tmp_path / "swap"
    path.write_bytes(bytes(64 * PAGE_SIZE))
    assert swap.make_swap(path) == 63
    assert path.stat().st_size == 64 * PAGE_SIZE
    assert swap.make_swap(path, 32 * PAGE_SIZE) == 31
    with pytest.raises(OSError, match="wanted for swap"):
        swap.make_swap(path, 65 * PAGE_SIZE)


def test_an_independent_reader_knows_it(tmp_path):
    blkid = shutil.which("blkid")
    if blkid is None:
        pytest.skip("no blkid here")
    path = tmp_path / "swap"
    path.write_bytes(bytes(64 * PAGE_SIZE))
    swap.make_swap(path)
    out = subprocess.run([blkid, "-p", str(path)], capture_output=True, text=True, check=True).stdout
    assert 'TYPE="swap"' in out
    assert 'LABEL="pnode"' in out


def test_swaps(machine):
    machine.file(
        "proc/swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/dev/ram0\tpartition\t131068\t4\t-2\n/a\\040b\tfile\t8\t0\t5",
    )
    first, second = swap.swaps()
    assert (first.path, first.size, first.used, first.priority) == ("/dev/ram0", 131068 * 1024, 4096, -2)
    assert (second.path, second.kind) == ("/a b", "file")


def test_discard_says_no_for_a_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(bytes(4096))
    assert swap.discard(path) is False


def test_ram_disk_serves(monkeypatch, tmp_path):
    monkeypatch.setattr(swap, "RAM_DISK", tmp_path / "ram0")
    assert not swap.ram_disk_serves(1), "without brd"
    (tmp_path / "ram0").write_bytes(bytes(8192))
    assert swap.ram_disk_serves(8192)
    assert not swap.ram_disk_serves(8193), "too small"


def test_a_ram_disk_in_use_does_not_serve(monkeypatch):
    def busy(*_args):
        raise OSError(errno.EBUSY, "somebody has it")

    monkeypatch.setattr(swap.os, "open", busy)
    assert not swap.ram_disk_serves(1)
