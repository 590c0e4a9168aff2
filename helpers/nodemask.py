# SPDX-License-Identifier: GPL-2.0-only
"""Sets of node ids: as Python sets, as the kernel's text lists, as bit masks for system calls.

The maxnode rule. mbind(2): "nodemask points to a bit mask of node IDs that contains up to
maxnode bits", rounded up to a multiple of sizeof(unsigned long); but the kernel takes one off
first (mm/mempolicy.c get_nodes(): `--maxnode`), so it looks at maxnode - 1 bits. To pass N bits,
pass maxnode = N + 1. libnuma does the same.
"""

import re
from collections.abc import Iterable, Iterator, Set
from functools import lru_cache

WORD_BITS = 64
# A nodemask longer than a page is refused with EINVAL before it is read, so a buffer for an
# absurd maxnode never needs to be longer than the largest page (64 KiB).
LONGEST_BYTES = 65536
# No list of a kernel names an id beyond such a mask (MAX_NUMNODES is 1024 at most, NR_CPUS 8192). A
# number that does is damage, and building its range would take all memory.
IDS = LONGEST_BYTES * 8

_ITEM = re.compile(r"(\d+)(?:-(\d+)(?::(\d+)/(\d+))?)?\Z")


class NodeMask(Set[int]):
    """An immutable set of node ids. Set operators (| & - ^ <=) give and compare NodeMasks.

    NodeMask([0, 2]), NodeMask.parse("0,2-3"), NodeMask.of(0, 2); str() is the kernel's list format.
    ValueError on a negative id.
    """

    __slots__ = ("_nodes",)

    def __init__(self, nodes: Iterable[int] = ()) -> None:
        self._nodes = frozenset(map(int, nodes))
        if min(self._nodes, default=0) < 0:
            raise ValueError(f"node ids cannot be negative: {sorted(self._nodes)}")

    @classmethod
    def of(cls, *nodes: int) -> "NodeMask":
        return cls(nodes)

    @classmethod
    def parse(cls, text: str) -> "NodeMask":
        """Reads the kernel's list format: "0,2-3", "" (empty), "0-7:1/2" (one of each two).

        Source: Documentation/admin-guide/kernel-parameters.rst, "cpu lists"; lib/bitmap-str.c.
        ValueError on anything else, decreasing ranges and ids of IDS or more included.
        """
        return cls(_listed(text.strip()))

    @classmethod
    def decode(cls, data: bytes) -> "NodeMask":
        """The mask in an array of little-endian unsigned longs, as get_mempolicy() fills it."""
        value = int.from_bytes(data, "little")
        nodes = []
        while value:
            low = value & -value
            nodes.append(low.bit_length() - 1)
            value ^= low
        return cls(nodes)

    def encode(self, maxnode: int | None = None) -> tuple[bytes, int]:
        """(array of unsigned long, maxnode) for a system call.

        Without maxnode the mask is rounded up to whole words and maxnode is its bits + 1, so
        every node is seen. With maxnode it is passed on as given, whatever it is: the array
        still holds every node, and is at least as long as the kernel would read for that
        maxnode (up to LONGEST_BYTES, beyond which the kernel refuses without reading).
        """
        words = max(self._nodes, default=0) // WORD_BITS + 1
        if maxnode is None:
            maxnode = words * WORD_BITS + 1
        else:
            read_bits = max(maxnode - 1, 0)
            words = max(words, min(-(-read_bits // WORD_BITS), LONGEST_BYTES * 8 // WORD_BITS))
        value = 0
        for node in self._nodes:
            value |= 1 << node
        return value.to_bytes(words * WORD_BITS // 8, "little"), maxnode

    def format(self) -> str:
        """The kernel's list format ("%*pbl"): ascending, runs of two or more as ranges."""
        runs: list[list[int]] = []
        for node in self:
            if runs and node == runs[-1][1] + 1:
                runs[-1][1] = node
            else:
                runs.append([node, node])
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._nodes))

    def __len__(self) -> int:
        return len(self._nodes)

    def __hash__(self) -> int:
        return hash(self._nodes)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Set, set, frozenset)):
            return self._nodes == frozenset(other)
        return NotImplemented

    def __str__(self) -> str:
        return self.format()

    def __repr__(self) -> str:
        return f"NodeMask({self.format()!r})"


@lru_cache(maxsize=256)
def _listed(text: str) -> frozenset[int]:
    """Ids in a list. Remembered: a machine has few lists, and every test reads some of them again."""
    nodes: set[int] = set()
    for item in text.split(",") if text else ():
        match = _ITEM.match(item.strip())
        if match is None:
            raise ValueError(f"not a node list: {text!r} (at {item!r})")
        first, last, used, group = (int(part) if part is not None else None for part in match.groups())
        assert first is not None
        last = first if last is None else last
        if last < first:
            raise ValueError(f"not a node list: {text!r} (range {item!r} runs backwards)")
        if last >= IDS:
            raise ValueError(f"not a node list: {text!r} ({item!r} is beyond any mask, {IDS} ids)")
        if used is None or group is None:
            nodes.update(range(first, last + 1))
            continue
        if not 0 < used <= group:
            raise ValueError(f"not a node list: {text!r} (group {item!r})")
        nodes.update(node for node in range(first, last + 1) if (node - first) % group < used)
    return frozenset(nodes)
