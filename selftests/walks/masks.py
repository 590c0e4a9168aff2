# SPDX-License-Identifier: GPL-2.0-only
"""A model of what mbind(2) and set_mempolicy(2) make of mode, flags and mask: the errno, or policy and nodes.

Sources: the manual pages; Documentation/admin-guide/mm/numa_memory_policy.rst. The one rule of the series: a
closed private node in the mask is EINVAL.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from helpers import paths
from helpers.constants import MPOL_F_NUMA_BALANCING, MPOL_F_RELATIVE_NODES, MPOL_F_STATIC_NODES, Mode
from helpers.memory import PAGE_SIZE
from helpers.outcome import OK

STATIC, RELATIVE, BALANCING = MPOL_F_STATIC_NODES, MPOL_F_RELATIVE_NODES, MPOL_F_NUMA_BALANCING
FLAGS = (STATIC, RELATIVE, BALANCING, STATIC | RELATIVE, STATIC | BALANCING, 1 << 12)
MOST = 8 * PAGE_SIZE + 1  # bits that the kernel reads, and one
#: (mode with flags, node ids, maxnode or None for what fits)
Shape = tuple[int, list[int], int | None]


def supported_bits() -> int:
    """Node ids that the kernel is built for, by the width of a mask in /proc (rounded up to 4)."""
    for line in paths.read_text(paths.PROC / "self/status").splitlines():
        if line.startswith("Mems_allowed:"):
            return 4 * len(line.split(":")[1].strip().replace(",", ""))
    raise LookupError("no Mems_allowed in /proc/self/status")


def shapes(st: Any, nodes: Iterable[int]) -> Any:
    """Strategy: mostly sensible calls about these nodes, with something odd now and then. Ids that the kernel
    is not built for are left to the table of errors: those of the same word as good ones are no error."""
    known, last = sorted(nodes), supported_bits() - 1
    flags = st.sampled_from(
        [0, 0, 0, STATIC, RELATIVE, BALANCING, STATIC | RELATIVE, STATIC | BALANCING, 1 << 12]
    )
    modes = st.sampled_from([*(int(mode) for mode in Mode), int(Mode.BIND), 7 + 32])
    odd = st.integers(0, last)
    ids = st.lists(st.one_of(st.sampled_from(known), st.sampled_from(known), odd), max_size=4, unique=True)
    bits = st.one_of(
        st.none(),
        st.none(),
        st.integers(1, 80),
        st.sampled_from([1025, MOST, MOST + 1]),
    )
    return st.tuples(st.builds(lambda mode, flag: mode | flag, modes, flags), ids, bits)


@dataclass(frozen=True)
class Verdict:
    """What has to come of a call.

    result: "ok" or the errno's name. mode, masks: what get_mempolicy() may say then; more than one mask where
    kernels differ (MPOL_F_NUMA_BALANCING: the nodes named, or those that it came to). on: the nodes for fresh
    pages, None where the policy does not decide. or_refused: EINVAL is as right.
    """

    result: str
    mode: int = Mode.DEFAULT
    masks: frozenset[frozenset[int]] = frozenset([frozenset()])
    on: frozenset[int] | None = None
    or_refused: bool = False

    def given(self, found: str) -> "Verdict":
        """The same, now that the call has said so."""
        return REFUSED if self.or_refused and found == REFUSED.result else self

    def shows(self, policy: tuple[int, Iterable[int]]) -> bool:
        return policy[0] == self.mode and frozenset(policy[1]) in self.masks


REFUSED = Verdict("EINVAL")


@dataclass(frozen=True)
class Model:
    """usable: nodes that a policy may name, ordinary and open; closed: private nodes that it may not."""

    usable: frozenset[int]
    closed: frozenset[int]

    def verdict(self, shape: Shape) -> Verdict:
        value, ids, maxnode = shape
        flags = value & (STATIC | RELATIVE | BALANCING)
        mode = value & ~flags
        if mode not in list(Mode) or (flags & STATIC and flags & RELATIVE):
            return REFUSED
        if flags & BALANCING and mode not in (Mode.BIND, Mode.PREFERRED_MANY):
            return REFUSED
        if maxnode is not None and maxnode > MOST:
            return REFUSED
        seen = {nid for nid in ids if maxnode is None or nid < maxnode - 1}
        return self._of_nodes(mode, flags, frozenset(seen))

    def _of_nodes(self, mode: int, flags: int, seen: frozenset[int]) -> Verdict:
        fixed = flags & (STATIC | RELATIVE)
        if mode == Mode.DEFAULT:
            return REFUSED if seen else Verdict(OK, Mode.DEFAULT)
        if mode == Mode.LOCAL or (mode == Mode.PREFERRED and not seen):
            return REFUSED if seen or fixed else Verdict(OK, Mode.LOCAL)
        if not seen or (not flags & RELATIVE and seen & self.closed):
            return REFUSED
        if flags & RELATIVE and self.closed:
            # By their order a closed one may be meant, which the documents count and the series refuses.
            return Verdict(OK, mode | flags, frozenset({seen}), self.usable, or_refused=True)
        nodes = self._folded(seen) if flags & RELATIVE else seen & self.usable
        if not nodes:
            return REFUSED
        if mode == Mode.PREFERRED:
            nodes = frozenset([min(nodes)])
        on = None if mode == Mode.PREFERRED_MANY else nodes
        shown = {seen} if fixed else {seen, nodes} if flags & BALANCING else {nodes}
        return Verdict(OK, mode | flags, frozenset(shown), on)

    def _folded(self, seen: frozenset[int]) -> frozenset[int]:
        """The n-th node named is the n-th that may be used, counted round and round."""
        places = sorted(self.usable)
        return frozenset(places[nid % len(places)] for nid in seen)
