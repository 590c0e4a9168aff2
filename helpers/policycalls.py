# SPDX-License-Identifier: GPL-2.0-only
"""System calls about memory policy and migration: mbind(2) and its kin."""

from array import array
from collections.abc import Sequence

from helpers.nodemask import NodeMask
from helpers.rawcall import ANY_MAXNODE, STATUS_UNSET, WORD, Mask, address_of, call, ffi, mask_argument

_UNSET = array("i", [STATUS_UNSET])


def mbind(
    addr: int, length: int, mode: int, nodes: Mask, flags: int = 0, *, maxnode: int | None = None
) -> None:
    """Policy of an address range, see mbind(2). maxnode is worked out from the mask unless given."""
    keep, pointer, bits = mask_argument(nodes, maxnode)
    call("mbind", addr, length, mode, pointer, bits, flags)
    del keep


def set_mempolicy(mode: int, nodes: Mask = None, *, maxnode: int | None = None) -> None:
    """Policy of the calling thread, see set_mempolicy(2)."""
    keep, pointer, bits = mask_argument(nodes, maxnode)
    call("set_mempolicy", mode, pointer, bits)
    del keep


def get_mempolicy(
    addr: int | None = None, flags: int = 0, *, maxnode: int | None = None
) -> tuple[int, NodeMask]:
    """(mode with its flags, or the node with MPOL_F_NODE; nodes), see get_mempolicy(2).

    addr None is NULL: the thread's policy. With an addr, add MPOL_F_ADDR.
    mode_name() turns the mode into text.
    """
    bits = ANY_MAXNODE if maxnode is None else maxnode
    mode = ffi.new("int *", -1)
    # The kernel writes ALIGN(maxnode - 1, 64) / 8 bytes; an absurd maxnode is EINVAL or EFAULT.
    size = min(max(bits, 1) // 64 + 1, 8192) * 8
    mask = ffi.new("char[]", size)
    call("get_mempolicy", address_of(mode), address_of(mask), bits, addr or 0, flags)
    return int(mode[0]), NodeMask.decode(bytes(ffi.buffer(mask)))


def get_mempolicy_raw(mode_ptr: int, mask_ptr: int, maxnode: int, addr: int, flags: int) -> int:
    """get_mempolicy() with every pointer given, for error tables."""
    return call("get_mempolicy", mode_ptr, mask_ptr, maxnode, addr, flags)


def set_mempolicy_home_node(addr: int, length: int, node: int, flags: int = 0) -> None:
    """Preferred node inside a BIND or PREFERRED_MANY range, Linux 5.17."""
    call("set_mempolicy_home_node", addr, length, node, flags)


# --- migration -------------------------------------------------------------------------------


def migrate_pages(pid: int, old: Mask, new: Mask, *, maxnode: int | None = None) -> int:
    """Moves the pages of a process, see migrate_pages(2). Returns how many could not be moved.

    One maxnode serves both masks, so the longer one decides.
    """
    if maxnode is None:
        maxnode = max(mask_argument(old, None)[2], mask_argument(new, None)[2])
    keep_old, old_ptr, _ = mask_argument(old, maxnode)
    keep_new, new_ptr, _ = mask_argument(new, maxnode)
    result = call("migrate_pages", pid, maxnode, old_ptr, new_ptr)
    del keep_old, keep_new
    return result


def move_pages_result(
    pid: int, addrs: Sequence[int], nodes: Sequence[int] | None, flags: int = 0
) -> tuple[int, list[int]]:
    """(return value, status of each page). The return value counts pages that were not migrated.

    Status: the node the page is on, a negative errno, or STATUS_UNSET where the kernel wrote
    nothing. nodes None only asks. See move_pages(2).
    """
    if nodes is not None and len(nodes) != len(addrs):
        raise ValueError(f"move_pages: {len(addrs)} addresses but {len(nodes)} nodes")
    count = len(addrs)
    # arrays and not ffi.new(): they take a list at the speed of C, which is what a page costs here
    try:
        pages = array("Q", addrs)
    except OverflowError:  # no address at all
        pages = array("Q", [addr & WORD for addr in addrs])
    targets = None if nodes is None else array("i", nodes)
    status = _UNSET * count
    result = call(
        "move_pages",
        pid,
        count,
        pages.buffer_info()[0],
        0 if targets is None else targets.buffer_info()[0],
        status.buffer_info()[0],
        flags,
    )
    return result, status.tolist()


def move_pages(pid: int, addrs: Sequence[int], nodes: Sequence[int] | None, flags: int = 0) -> list[int]:
    """Status of each page: node, or negative errno; see move_pages_result()."""
    return move_pages_result(pid, addrs, nodes, flags)[1]


def move_pages_raw(pid: int, count: int, pages: int, nodes: int, status: int, flags: int) -> int:
    """move_pages() with every pointer given, for error tables."""
    return call("move_pages", pid, count, pages, nodes, status, flags)
