# SPDX-License-Identifier: GPL-2.0-only
"""Which nodes the kernel says it demotes to: it tells the log whenever it finds the targets anew.

Source: mm/memory-tiers.c, dump_demotion_targets().
"""

import re
from collections.abc import Iterable

from helpers.kmsg import KernelLog, Record
from helpers.nodemask import NodeMask

_LINE = re.compile(r"Demotion targets for Node (\d+): (?:null|preferred: ([\d,-]+), fallback: ([\d,-]+))")


def targets(records: Iterable[Record]) -> dict[int, NodeMask]:
    """Source -> its targets, preferred or not, as told last."""
    found: dict[int, NodeMask] = {}
    for record in records:
        if match := _LINE.search(record.text):
            named = [NodeMask.parse(text) for text in match.group(2, 3) if text]
            found[int(match[1])] = NodeMask(node for mask in named for node in mask)
    return found


class Told:
    """What the kernel tells from now on. The log is read once, however often one asks: it may be long."""

    def __init__(self) -> None:
        self._log = KernelLog.tail()
        self._found: dict[int, NodeMask] = {}

    def sources_of(self, nid: int) -> set[int]:
        """Nodes whose memory is demoted to this one, as told last."""
        self._found |= targets(self._log.read())
        return {source for source, nodes in self._found.items() if nid in nodes}

    def __enter__(self) -> "Told":
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
