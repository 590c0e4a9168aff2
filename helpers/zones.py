# SPDX-License-Identifier: GPL-2.0-only
"""The zones of /proc/zoneinfo, with the free pages on the lists of each CPU.

Source: mm/vmstat.c. Counts are pages.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from helpers import paths

_ZONE_LINE = re.compile(r"Node (\d+), zone\s+(\S+)")


def refresh_vmstat() -> bool:
    """Folds the per-CPU differences into the zone counters; False where that is not allowed.

    Without it nr_free_pages may be off by the "vm stats threshold" of each CPU. Drains no list.
    Source: Documentation/admin-guide/sysctl/vm.rst, stat_refresh (root only, SMP only).
    """
    try:
        paths.write_text(paths.PROC / "sys/vm/stat_refresh", "1")
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Watermarks:
    """Pages."""

    min: int
    low: int
    high: int
    promo: int = 0
    boost: int = 0


@dataclass(frozen=True)
class Zone:
    """One zone of one node; all counts in pages."""

    nid: int
    name: str
    free: int
    present: int
    managed: int
    spanned: int
    start_pfn: int
    watermarks: Watermarks
    pcp: Mapping[int, int] = field(default_factory=dict)  # free pages on the list of each online CPU

    @property
    def all_free(self) -> int:
        """Pages nobody uses: in the buddy lists and on the per-CPU lists."""
        return self.free + sum(self.pcp.values())

    def spans(self, pfn: int) -> bool:
        """The zone's extent covers the frame. It may have holes, and zones may overlap."""
        return self.start_pfn <= pfn < self.start_pfn + self.spanned


def parse_zoneinfo(text: str) -> Iterator[Zone]:
    """Zones of /proc/zoneinfo, empty ones included."""
    head: tuple[int, str] | None = None
    values: dict[str, int] = {}
    pcp: dict[int, int] = {}
    cpu = -1
    in_pagesets = False

    def done() -> Iterator[Zone]:
        if head is None:
            return
        get = values.get
        yield Zone(
            nid=head[0],
            name=head[1],
            free=get("free", 0),
            present=get("present", 0),
            managed=get("managed", 0),
            spanned=get("spanned", 0),
            start_pfn=get("start_pfn:", 0),
            watermarks=Watermarks(
                get("min", 0), get("low", 0), get("high", 0), get("promo", 0), get("boost", 0)
            ),
            pcp=pcp,
        )

    for line in text.splitlines():
        match = _ZONE_LINE.match(line)
        if match:
            yield from done()
            head, values, pcp, in_pagesets = (int(match[1]), match[2]), {}, {}, False
            continue
        words = line.split()
        if words[:1] == ["pagesets"]:
            in_pagesets = True
        elif words[:2] == ["pages", "free"]:
            values["free"] = int(words[2])
        elif len(words) == 2 and words[0] == "cpu:" and in_pagesets:
            cpu = int(words[1])
        elif len(words) == 2 and words[0] == "count:" and in_pagesets:
            pcp[cpu] = int(words[1])
        elif len(words) == 2 and (not in_pagesets or words[0] == "start_pfn:") and words[1].isdigit():
            # The first of a name wins: per-zone statistics further down repeat none of ours.
            values.setdefault(words[0], int(words[1]))
    yield from done()


def all_zones(nid: int | None = None) -> list[Zone]:
    """Every zone of every online node, or of one; none of a node that is offline."""
    text = paths.read_text(paths.PROC / "zoneinfo")
    if nid is not None:
        # Cut out before it is taken apart: a hundred lines a zone, and most of them of other nodes.
        text = "".join(re.findall(rf"^Node {nid}, zone.*\n(?:(?!Node ).*\n?)*", text, re.MULTILINE))
    return list(parse_zoneinfo(text))
