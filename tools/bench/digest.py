# SPDX-License-Identifier: GPL-2.0-only
"""Rows from what inside/ has measured in the guest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.bench import rounds
from tools.bench.row import POWER, SECONDS, TIMES, Row, seconds

CALLS, PAGES, RESIDENCY, GROWTH = "calls", "pages", "residency", "growth"
HEADINGS = {
    CALLS: "a system call through the bindings over the same call in a loop in C, in one process",
    PAGES: "each further page of it, over C",
    RESIDENCY: "where are the pages of a range",
    GROWTH: "the power of the size that the cost grows with, 1 is linear",
}
#: Variants of inside/calls.py that are compared with C.
BINDINGS = {"call": "as tests call it", "raw": "prepared arrays"}
_MIB = 1 << 20

Seconds = Sequence[float]


def calls(found: Sequence[Mapping[str, Any]], targets: Mapping[str, float]) -> Iterator[Row]:
    """Calls for 1 and more pages, and what a further page costs."""
    for one in found:
        seen: Mapping[str, Seconds] = one["seconds"]
        for variant, what in BINDINGS.items():
            note = f"{_median(seen[variant])}, in C {_median(seen['c'])}"
            over = rounds.ratio(seen[variant], seen["c"])
            pages = f"{one['pages']} page{'s' if one['pages'] > 1 else ''}"
            yield Row(CALLS, f"{one['name']} {pages}, {what}", over, TIMES, note, targets["call_over_c"])
    for name in dict.fromkeys(one["name"] for one in found):
        sizes = [one for one in found if one["name"] == name]
        yield from _pages(name, sizes[0], sizes[-1], targets["page_over_c"])


def _pages(name: str, few: Mapping[str, Any], many: Mapping[str, Any], target: float) -> Iterator[Row]:
    more = many["pages"] - few["pages"]
    slopes = {
        variant: rounds.slope(few["seconds"][variant], many["seconds"][variant], more)
        for variant in few["seconds"]
    }
    if rounds.value(slopes["c"]).low <= 0:
        return  # mbind(2) without MPOL_MF_MOVE looks at no page: there is nothing that it costs
    for variant, what in BINDINGS.items():
        note = f"{_median(slopes[variant])}, in C {_median(slopes['c'])}"
        over = rounds.ratio(slopes[variant], slopes["c"])
        yield Row(PAGES, f"{name}, {what}", over, TIMES, note, target, measurable=True)


def residency(found: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """The suite's way in seconds, the others as its multiples."""
    for one in found:
        text = f"{one['bytes'] // _MIB} MiB"
        if "free" in one:
            note = f"not measured: of {one['free'] // _MIB} MiB that are free, some are for tables and lists"
            yield Row(RESIDENCY, text, None, SECONDS, note)
            continue
        seen: dict[str, Seconds] = dict(one["seconds"])
        base = seen.pop("pagemap")
        on = ", ".join(f"{pages} pages on node {node}" for node, pages in sorted(one["nodes"].items()))
        yield Row(RESIDENCY, f"{text}, pagemap", rounds.value(base), SECONDS, on)
        for way, values in seen.items():
            over = rounds.ratio(values, base)
            yield Row(RESIDENCY, f"{text}, {way} over pagemap", over, TIMES, _median(values))


def growth(what: str, found: Mapping[str, Mapping[str, Seconds]]) -> Iterator[Row]:
    """The exponents by which the cost of each operation grows with `what`: pages, blocks or nodes."""
    for name, by_size in found.items():
        sizes = {float(size): values for size, values in by_size.items() if float(size) > 0}
        first, *_, last = by_size
        note = f"{_median(by_size[first])} for {first}, {_median(by_size[last])} for {last}"
        yield Row(GROWTH, f"{name} with {what}", rounds.exponent(sizes), POWER, note)


def _median(values: Seconds) -> str:
    return seconds(rounds.value(values).median)
