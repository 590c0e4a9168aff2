# SPDX-License-Identifier: GPL-2.0-only
"""The errors of mbind(2) and set_mempolicy(2) as data: one row a cause, for whatever node is put in.

A row names what differs from a call that succeeds. Sources: the ERRORS sections of the manual pages;
mm/mempolicy.c where they leave something open (which is said at the row).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from helpers import syscalls
from helpers.constants import (
    MPOL_F_NUMA_BALANCING,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_STATIC_NODES,
    MPOL_MF_STRICT,
    Mode,
)
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import OK, outcome

__all__ = ["POLICY_ROWS", "RANGE_ROWS", "Row", "mbind", "set_mempolicy"]

#: Bits that the kernel reads at most: a page of them; maxnode counts one more, see helpers.nodemask.
MOST = 8 * PAGE_SIZE + 1
#: In no process: the page at 0 is never mapped, nor what is above user space.
BAD_POINTER = 8


@dataclass(frozen=True)
class Row:
    """A call and what has to come of it.

    nodes: the mask; None is NULL, an int an address, else node ids to which NODE adds the row's node.
    shift, length: bytes by which the range starts later, and its length instead of the mapping's.
    hole: the second page of the range is unmapped. touched: the range has pages on another node.
    """

    name: str
    result: str
    mode: int = Mode.BIND
    nodes: tuple[int, ...] | int | None = ()
    node: bool = True
    maxnode: int | None = None
    beyond: int | None = None
    flags: int = 0
    shift: int = 0
    length: int | None = None
    hole: bool = False
    touched: bool = False

    def mask(self, nid: int) -> syscalls.Mask:
        if self.nodes is None or isinstance(self.nodes, int):
            return self.nodes
        return [*self.nodes, *([nid] if self.node else [])]

    def bits(self, nid: int) -> int | None:
        """maxnode: as given, or so many more than the bits before the node's."""
        return self.maxnode if self.beyond is None else nid + self.beyond

    def __str__(self) -> str:
        return self.name


def _rows() -> Iterable[Row]:
    static, relative = MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES
    several = (Mode.BIND, Mode.INTERLEAVE, Mode.PREFERRED_MANY, Mode.WEIGHTED_INTERLEAVE)
    for mode in several:
        name = mode.name.lower().replace("_", "-")
        yield Row(f"{name}-good", OK, mode)
        yield Row(f"{name}-empty", "EINVAL", mode, node=False)
        yield Row(f"{name}-null", "EINVAL", mode, None)
        yield Row(f"{name}-static-and-relative", "EINVAL", mode | static | relative)
    for mode in (Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE, Mode.PREFERRED, Mode.LOCAL, Mode.DEFAULT):
        name = mode.name.lower().replace("_", "-")
        node = mode not in (Mode.LOCAL, Mode.DEFAULT)
        yield Row(f"{name}-numa-balancing", "EINVAL", mode | MPOL_F_NUMA_BALANCING, node=node)
    yield Row("bind-numa-balancing", OK, Mode.BIND | MPOL_F_NUMA_BALANCING)
    yield Row("mode-negative", "EINVAL", -1)
    yield Row("mode-unknown", "EINVAL", 63)
    yield Row("mode-unknown-flag", "EINVAL", Mode.BIND | 1 << 20)
    yield Row("mode-internal-flag", "EINVAL", Mode.BIND | 1 << 5)
    yield Row("preferred-good", OK, Mode.PREFERRED)
    yield Row("preferred-empty", OK, Mode.PREFERRED, node=False)
    yield Row("preferred-null", OK, Mode.PREFERRED, None)
    yield Row("preferred-empty-static", "EINVAL", Mode.PREFERRED | static, node=False)
    yield Row("preferred-empty-relative", "EINVAL", Mode.PREFERRED | relative, node=False)
    yield Row("local-good", OK, Mode.LOCAL, node=False)
    yield Row("local-null", OK, Mode.LOCAL, None)
    yield Row("local-with-node", "EINVAL", Mode.LOCAL)
    yield Row("local-static", "EINVAL", Mode.LOCAL | static, node=False)
    yield Row("default-good", OK, Mode.DEFAULT, node=False)
    yield Row("default-null", OK, Mode.DEFAULT, None)
    yield Row("default-with-node", "EINVAL", Mode.DEFAULT)
    yield Row("pointer-bad", "EFAULT", nodes=BAD_POINTER)
    yield Row("pointer-to-the-kernel", "EFAULT", nodes=1 << 63)
    yield Row("maxnode-0", "EINVAL", maxnode=0)
    yield Row("maxnode-1", "EINVAL", maxnode=1)
    yield Row("maxnode-ends-before-the-node", "EINVAL", beyond=1)
    yield Row("maxnode-ends-with-the-node", OK, beyond=2)
    yield Row("maxnode-most", OK, maxnode=MOST)
    yield Row("maxnode-more-than-a-page", "EINVAL", maxnode=MOST + 1)
    yield Row("maxnode-negative", "EINVAL", maxnode=-1)
    yield Row("node-beyond-all", "EINVAL", nodes=(2047,))
    yield Row("node-beyond-all-unseen", OK, nodes=(2047,), beyond=2)
    yield Row("node-beyond-a-page", "EINVAL", nodes=(MOST - 2,), maxnode=MOST)


#: Rows for either call.
POLICY_ROWS = tuple(_rows())

#: Rows about the range: mbind() only. The mapping has two pages.
RANGE_ROWS = (
    Row("start-unaligned", "EINVAL", shift=1),
    Row("length-0", OK, length=0),
    Row("length-unaligned", OK, length=PAGE_SIZE + 1),
    Row("length-wraps", "EINVAL", length=-PAGE_SIZE),
    # Rounded up to whole pages a length of -1 is 0, and nothing to do.
    Row("length-rounds-to-0", OK, length=-1),
    Row("hole", "EFAULT", hole=True),
    Row("hole-default", OK, Mode.DEFAULT, node=False, hole=True),
    Row("not-mapped", "EFAULT", shift=PAGE_SIZE, length=PAGE_SIZE, hole=True),
    Row("flags-unknown", "EINVAL", flags=1 << 10),
    Row("flags-internal", "EINVAL", flags=1 << 5),
    Row("flags-negative", "EINVAL", flags=-1),
    Row("strict-misplaced", "EIO", flags=MPOL_MF_STRICT, touched=True),
    Row("strict-nothing-there", OK, flags=MPOL_MF_STRICT),
    Row("strict-default", OK, Mode.DEFAULT, node=False, flags=MPOL_MF_STRICT, touched=True),
)


def mbind(row: Row, nid: int, elsewhere: int | None = None) -> str:
    """What comes of the row's mbind() of two fresh pages; `elsewhere` is the node of pages that are there
    already, where the row wants some."""
    with Mapping.anonymous(2) as memory:
        if row.touched:
            memory.bind(Mode.BIND, [nid if elsewhere is None else elsewhere])
            memory.touch()
        if row.hole:
            memory.unmap(1, 1)
        length = memory.nbytes if row.length is None else row.length
        options: dict[str, Any] = {"maxnode": row.bits(nid)}
        start = memory.addr + row.shift
        return outcome(syscalls.mbind, start, length, row.mode, row.mask(nid), row.flags, **options)


def set_mempolicy(row: Row, nid: int) -> str:
    """What comes of the row's set_mempolicy(), the task's policy being the default one again afterwards. For
    children."""
    try:
        return outcome(syscalls.set_mempolicy, row.mode, row.mask(nid), maxnode=row.bits(nid))
    finally:
        syscalls.set_mempolicy(Mode.DEFAULT)
