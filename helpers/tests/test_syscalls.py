# SPDX-License-Identifier: GPL-2.0-only
"""Real calls, where the machine running the unit tests has them."""

import errno
import os
import tomllib
from pathlib import Path

import pytest

from helpers import syscalls as sc
from helpers.memory import Mapping
from helpers.nodemask import NodeMask


def supported(name, *args):
    """Skips when a container's filter or the kernel lacks the call; other errnos are answers."""
    try:
        sc.call(name, *args)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            pytest.skip(f"{name} is not available here: {errno.errorcode[error.errno]}")


def failing(function, *args, **kwargs):
    with pytest.raises(OSError, match=r"\[Errno \d+\] ") as caught:
        function(*args, **kwargs)
    return errno.errorcode[caught.value.errno]


@pytest.fixture(params=["x86_64", "aarch64"])
def table(request):
    path = Path(sc.__file__).with_name("syscall_numbers.toml")
    return tomllib.loads(path.read_text())[request.param]


def test_tables_name_the_same_calls_once(table):
    assert set(table) == set(sc.NUMBERS)
    assert len(set(table.values())) == len(table)


def test_mmap_and_munmap():
    addr = sc.mmap(0, sc.PAGE_SIZE, sc.PROT_READ, sc.MAP_PRIVATE | sc.MAP_ANONYMOUS)
    assert addr % sc.PAGE_SIZE == 0
    assert sc.mincore(addr, sc.PAGE_SIZE) == [False]
    sc.munmap(addr, sc.PAGE_SIZE)
    assert failing(sc.mincore, addr, sc.PAGE_SIZE) == "ENOMEM"


def test_rubbish_reaches_the_kernel():
    assert failing(sc.madvise, 1, 1, 12345) == "EINVAL"
    assert failing(sc.mmap, 0, 4096, 0, sc.MAP_ANONYMOUS) == "EINVAL"
    assert failing(sc.munmap, -1, -1) == "EINVAL"
    assert failing(sc.mprotect, 4096, 4096, 7) in ("ENOMEM", "EACCES")
    assert failing(sc.process_madvise, -1, [(0, 0)], 0) == "EBADF"


@pytest.mark.parametrize("addr", [-4096, (1 << 64) - 4096, (1 << 70) - 4096])
def test_addresses_are_cut_to_a_word(addr):
    """The kernel's half of the addresses, however it is written."""
    assert failing(sc.madvise, addr, 4096, sc.MADV_NORMAL) in ("EINVAL", "ENOMEM")
    assert sc.move_pages(0, [addr], None) == [-errno.EFAULT]


def test_an_argument_may_be_anything_with_an_index():
    class Node:
        def __index__(self):
            return -1

    assert failing(sc.call, "munlock", Node(), 1) == "EINVAL"  # the last page, whose end is 0
    with pytest.raises(TypeError):
        sc.call("munlock", None, 1)


def test_masks_that_are_used_again_stay_as_they_are():
    keep, address, bits = sc.mask_argument([1, 3], None)
    again, same, _ = sc.mask_argument(NodeMask([3, 1]), None)
    assert (keep is again, address == same, bits) == (True, True, 65)
    other, elsewhere, more = sc.mask_argument([1, 3], 1025)
    assert elsewhere != address
    assert (bytes(sc.ffi.buffer(other))[:1], more) == (b"\x0a", 1025)
    with pytest.raises(ValueError, match="negative"):
        sc.mask_argument([-1], None)


def test_the_message_names_the_call():
    with pytest.raises(OSError, match=r"\[Errno 22\] madvise: Invalid argument"):
        sc.madvise(0, 4096, -1)


def test_policy_of_the_thread():
    supported("get_mempolicy", 0, 0, 0, 0, 0)
    mode, nodes = sc.get_mempolicy()
    assert sc.mode_name(mode) == "DEFAULT"
    assert nodes == NodeMask()
    _mode, allowed = sc.get_mempolicy(flags=sc.MPOL_F_MEMS_ALLOWED)
    assert 0 in allowed


def test_get_mempolicy_errors():
    supported("get_mempolicy", 0, 0, 0, 0, 0)
    assert failing(sc.get_mempolicy, flags=0x80) == "EINVAL"
    assert failing(sc.get_mempolicy, maxnode=0, flags=sc.MPOL_F_MEMS_ALLOWED) == "EINVAL"
    assert failing(sc.get_mempolicy_raw, 1, 0, 0, 0, 0) == "EFAULT"


def test_mbind_and_query():
    supported("get_mempolicy", 0, 0, 0, 0, 0)
    with Mapping.anonymous(2) as mapping:
        sc.mbind(mapping.addr, mapping.nbytes, sc.Mode.BIND, [0])
        mode, nodes = sc.get_mempolicy(mapping.addr, sc.MPOL_F_ADDR)
        assert (sc.mode_name(mode), nodes) == ("BIND", NodeMask.of(0))
        assert failing(mapping.bind, 99, [0]) == "EINVAL"
        assert failing(mapping.bind, sc.Mode.BIND, []) == "EINVAL"
        assert failing(mapping.bind, sc.Mode.BIND, None) == "EINVAL"
        assert failing(mapping.bind, sc.Mode.BIND, 1) == "EFAULT"
        assert failing(sc.mbind, mapping.addr + 1, 4096, sc.Mode.BIND, [0]) == "EINVAL"


def test_maxnode_of_one_bit_less_hides_the_node():
    """The rule in nodemask.py, shown by the kernel: maxnode N + 1 for N bits."""
    supported("get_mempolicy", 0, 0, 0, 0, 0)
    with Mapping.anonymous(1) as mapping:
        mapping.bind(sc.Mode.BIND, [0], maxnode=2)
        assert failing(mapping.bind, sc.Mode.BIND, [0], maxnode=1) == "EINVAL"  # reads 0 bits: empty


def test_set_mempolicy():
    supported("set_mempolicy", 0, 0, 0)
    sc.set_mempolicy(sc.Mode.PREFERRED, [0])
    try:
        assert sc.get_mempolicy() == (sc.Mode.PREFERRED, NodeMask.of(0))
    finally:
        sc.set_mempolicy(sc.Mode.DEFAULT)
    assert failing(sc.set_mempolicy, -1, [0]) == "EINVAL"


def test_move_pages_query():
    supported("move_pages", 0, 0, 0, 0, 0, 0)
    with Mapping.anonymous(3) as mapping:
        mapping.touch(count=1)
        result, status = sc.move_pages_result(0, [*mapping.addrs(count=2), 0], None)
        assert result == 0
        assert status == [0, -errno.ENOENT, -errno.EFAULT] or status == [0, -errno.EFAULT, -errno.EFAULT]
    assert sc.move_pages(0, [], None) == []
    with pytest.raises(ValueError, match="1 addresses but 2 nodes"):
        sc.move_pages(0, [0], [0, 0])


def test_migrate_pages_takes_one_maxnode_for_both():
    supported("migrate_pages", 0, 0, 0, 0)
    assert failing(sc.migrate_pages, 0, [0], [1023]) == "EINVAL"
    assert sc.migrate_pages(0, [0], [0]) == 0


def test_process_memory():
    data = sc.ffi.new("char[]", b"hello")
    addr = sc.address_of(data)
    assert sc.process_vm_readv(os.getpid(), addr, 5) == b"hello"
    assert sc.process_vm_writev(os.getpid(), addr, b"jello") == 5
    assert bytes(sc.ffi.buffer(data, 5)) == b"jello"
    assert failing(sc.process_vm_readv, os.getpid(), 8, 5) == "EFAULT"


def test_process_madvise_of_oneself():
    fd = os.pidfd_open(os.getpid())
    try:
        with Mapping.anonymous(4) as mapping:
            mapping.touch()
            assert sc.process_madvise(fd, [(mapping.addr, mapping.nbytes)], sc.MADV_COLD) == mapping.nbytes
            mapping.verify()
    finally:
        os.close(fd)


def test_locking():
    with Mapping.anonymous(2) as mapping:
        sc.mlock(mapping.addr, mapping.nbytes)
        assert mapping.smaps()["Locked"] == mapping.nbytes
        sc.munlock(mapping.addr, mapping.nbytes)
        sc.mlock2(mapping.addr, mapping.nbytes, sc.MLOCK_ONFAULT)
        assert failing(sc.mlock2, mapping.addr, mapping.nbytes, 2) == "EINVAL"


def test_shared_memory_segment():
    shmid = sc.shmget(sc.IPC_PRIVATE, 4 * sc.PAGE_SIZE, sc.IPC_CREAT | 0o600)
    try:
        addr = sc.shmat(shmid)
    finally:
        sc.shm_remove(shmid)
    mapping = Mapping(addr, 4)
    mapping.touch()
    mapping.verify()
    mapping.forget()
    sc.shmdt(addr)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (0, "DEFAULT"),
        (2 | 1 << 15, "BIND|STATIC_NODES"),
        (3 | 1 << 14, "INTERLEAVE|RELATIVE_NODES"),
        (77, "0x4d"),
    ],
)
def test_mode_name(mode, text):
    assert sc.mode_name(mode) == text
