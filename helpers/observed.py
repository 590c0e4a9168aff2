# SPDX-License-Identifier: GPL-2.0-only
"""What a test saw beside its result: where pages landed under which policy. Only the reports ask for it.

    where = landed(residency(memory), mode_name(Mode.BIND), [1], by="mbind")

A helper that places pages says so once, and no test has to. What is noted goes to the running test, as a
property of its report (fixtures/observing.py); noted in a child, it travels with the child's next answer
(fixtures/childside.py). Without a running test nothing is kept. The kernel is asked nothing.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from helpers.residency import Residency

__all__ = ["PROPERTY", "add", "aside", "begin", "collect", "landed", "take", "told"]

#: Name of the property; its value is JSON, see tools/report/README.md.
PROPERTY = "residency"
#: Observations of a test, and stretches of pages on one node that are told in their order: a picture full.
MOST = 40
RUNS = 60

Sink = list[tuple[str, object]]

_sink: Sink | None = None
_private: Callable[[], Iterable[int]] = tuple


def collect(sink: Sink | None, private: Callable[[], Iterable[int]] = tuple) -> None:
    """Put what is noted from now on into this list (None: nowhere). `private` gives ids of private nodes."""
    global _sink, _private
    _sink, _private = sink, private


def aside() -> None:
    """In a child: note on a list of its own."""
    collect([] if _sink is not None else None, _private)


def told() -> tuple[int, ...] | None:
    """The private nodes if anything is noted, else None: for a child that does not inherit (begin())."""
    return None if _sink is None else tuple(_private())


def begin(private: tuple[int, ...] | None) -> None:
    """In a child that has inherited nothing: note, if its test does, as told() says."""
    collect(None if private is None else [], lambda: private or ())


def take() -> Sink:
    """What has been noted, which is taken off the list. For children."""
    taken = list(_sink or ())
    if _sink is not None:
        _sink.clear()
    return taken


def add(entries: Iterable[tuple[str, object]]) -> None:
    """Note what a child has taken."""
    if _sink is not None:
        room = MOST - sum(name == PROPERTY for name, _ in _sink)
        _sink.extend(list(entries)[: max(room, 0)])


def landed(where: Residency, policy: str, nodes: Iterable[int] = (), by: str = "") -> Residency:
    """Note where pages are, and return it: under which policy ("BIND", or another word for what put them
    there), which nodes it names, and by which call they got it."""
    if _sink is not None:
        told = {
            "policy": policy,
            "nodes": sorted(nodes),
            "by": by,
            "counts": {str(node): count for node, count in sorted(where.counts.items())},
            "absent": where.absent,
            "runs": _runs(where.nodes),
            "private": sorted(set(_private())),
        }
        add([(PROPERTY, json.dumps(told, separators=(",", ":")))])
    return where


def _runs(nodes: Sequence[int | None]) -> list[tuple[int | None, int]]:
    """(node, pages) of each stretch of pages on the same node, from the first page on."""
    runs: list[tuple[int | None, int]] = []
    for node, pages in groupby(nodes):
        if len(runs) == RUNS:
            break
        runs.append((node, len(list(pages))))
    return runs
