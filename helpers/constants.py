# SPDX-License-Identifier: GPL-2.0-only
"""Values of the memory system calls, from the kernel's UAPI headers.

Sources: include/uapi/linux/mempolicy.h, include/uapi/asm-generic/mman-common.h and mman.h
(the same on x86_64 and aarch64).
"""

from enum import IntEnum, IntFlag


class Mode(IntEnum):
    """Memory policy modes (enum in linux/mempolicy.h)."""

    DEFAULT = 0
    PREFERRED = 1
    BIND = 2
    INTERLEAVE = 3
    LOCAL = 4
    PREFERRED_MANY = 5
    WEIGHTED_INTERLEAVE = 6


class ModeFlag(IntFlag):
    """Flags or-ed into the mode."""

    STATIC_NODES = 1 << 15
    RELATIVE_NODES = 1 << 14
    NUMA_BALANCING = 1 << 13


class GetFlag(IntFlag):
    """Flags of get_mempolicy()."""

    NODE = 1 << 0
    ADDR = 1 << 1
    MEMS_ALLOWED = 1 << 2


class BindFlag(IntFlag):
    """MPOL_MF_*: flags of mbind() and move_pages()."""

    STRICT = 1 << 0
    MOVE = 1 << 1
    MOVE_ALL = 1 << 2


MPOL_F_STATIC_NODES = ModeFlag.STATIC_NODES
MPOL_F_RELATIVE_NODES = ModeFlag.RELATIVE_NODES
MPOL_F_NUMA_BALANCING = ModeFlag.NUMA_BALANCING
MPOL_F_NODE = GetFlag.NODE
MPOL_F_ADDR = GetFlag.ADDR
MPOL_F_MEMS_ALLOWED = GetFlag.MEMS_ALLOWED
MPOL_MF_STRICT = BindFlag.STRICT
MPOL_MF_MOVE = BindFlag.MOVE
MPOL_MF_MOVE_ALL = BindFlag.MOVE_ALL

PROT_NONE = 0
PROT_READ = 1
PROT_WRITE = 2
PROT_EXEC = 4

MAP_SHARED = 0x01
MAP_PRIVATE = 0x02
MAP_FIXED = 0x10
MAP_ANONYMOUS = 0x20
MAP_GROWSDOWN = 0x100
MAP_LOCKED = 0x2000
MAP_NORESERVE = 0x4000
MAP_POPULATE = 0x8000
MAP_STACK = 0x20000
MAP_HUGETLB = 0x40000
MAP_FIXED_NOREPLACE = 0x100000

MREMAP_MAYMOVE = 1
MREMAP_FIXED = 2
MREMAP_DONTUNMAP = 4

MCL_CURRENT = 1
MCL_FUTURE = 2
MCL_ONFAULT = 4
MLOCK_ONFAULT = 1

MADV_NORMAL = 0
MADV_RANDOM = 1
MADV_SEQUENTIAL = 2
MADV_WILLNEED = 3
MADV_DONTNEED = 4
MADV_FREE = 8
MADV_REMOVE = 9
MADV_DONTFORK = 10
MADV_DOFORK = 11
MADV_MERGEABLE = 12
MADV_UNMERGEABLE = 13
MADV_HUGEPAGE = 14
MADV_NOHUGEPAGE = 15
MADV_DONTDUMP = 16
MADV_DODUMP = 17
MADV_WIPEONFORK = 18
MADV_KEEPONFORK = 19
MADV_COLD = 20
MADV_PAGEOUT = 21
MADV_POPULATE_READ = 22
MADV_POPULATE_WRITE = 23
MADV_DONTNEED_LOCKED = 24
MADV_COLLAPSE = 25
MADV_HWPOISON = 100
MADV_SOFT_OFFLINE = 101


def mode_name(mode: int) -> str:
    """ "BIND|STATIC_NODES" for a mode as get_mempolicy() returns it; unknown bits in hex."""
    flags = ModeFlag(mode & int(ModeFlag.STATIC_NODES | ModeFlag.RELATIVE_NODES | ModeFlag.NUMA_BALANCING))
    base = mode & ~int(flags)
    try:
        names = [Mode(base).name]
    except ValueError:
        names = [hex(base)]
    names += [flag.name for flag in ModeFlag if flag in flags and flag.name]
    return "|".join(names)
