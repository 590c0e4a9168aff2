# SPDX-License-Identifier: GPL-2.0-only
"""Rows about the runner: from `pnode run` to the first verdict, and what more guests are worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tools.bench import rounds
from tools.bench.row import SECONDS, TIMES, Row, single
from tools.bench.runner import Ran

START, TESTS, GUESTS = "start", "tests", "guests"
HEADINGS = {
    START: "from `pnode run` to a verdict, beside a bare boot of the same kernel on the same machine",
    TESTS: "what more tests cost before the first of them runs",
    GUESTS: "where the time of a run goes, and what more guests are worth for the same tests",
}
#: The first verdict's bound: so many times the bare boot, and seconds beside.
BARE_TIMES, BARE_MORE = 1.5, 2.0


@dataclass(frozen=True)
class Start:
    """A turn: seconds of a bare boot, of a boot until the guest can be used, and then a run of one test."""

    bare: float
    cold: float
    least: Ran


def start(turns: Sequence[Start], whole: Ran, targets: Mapping[str, float]) -> Iterator[Row]:
    """The first turn may have had something to build: for what a rerun takes, those after it count. `whole`
    is the beginning of a run of all tests of the topology."""
    bare = [turn.bare for turn in turns]
    again = turns[1:]
    what = f"{_tests(turns[0].least)}, nothing to build"
    yield Row(START, "bare boot", rounds.value(bare), SECONDS, "QEMU to an init that is one small program")
    to_qemu = rounds.value([turn.least.to_qemu for turn in again])
    yield Row(START, "rerun to QEMU", to_qemu, SECONDS, what, targets["rerun_to_qemu"])
    cold = rounds.value([turn.cold for turn in turns])
    yield Row(START, "cold start", cold, SECONDS, "QEMU to a guest that can be used")
    over = rounds.ratio([turn.cold for turn in turns], bare)
    yield Row(START, "cold start over bare boot", over, TIMES)
    yield from _warm([turn for turn in again if _is_warm(turn.least)], targets)
    few = [turn.least.split.first_verdict for turn in again]
    name = f"first verdict, {_tests(turns[0].least)}"
    yield from _first(name, few, [turn.bare for turn in again], targets)
    name = f"first verdict, {_tests(whole)}"
    yield from _first(name, [whole.split.first_verdict], [median(bare)], targets)


def _is_warm(one: Ran) -> bool:
    """Whether its first guest went on from a state that was kept."""
    return one.split.boot is not None and not one.split.boot.init


def _warm(turns: Sequence[Start], targets: Mapping[str, float]) -> Iterator[Row]:
    ready = [turn.least.split.boot.all for turn in turns if turn.least.split.boot]
    if not ready:  # under KVM, or with a CXL tree: no state is kept
        return
    yield Row(START, "warm start", rounds.value(ready), SECONDS, "the same from a state that was kept")
    over = rounds.ratio(ready, [turn.cold for turn in turns])
    yield Row(START, "warm over cold start", over, TIMES, "", targets["warm_over_cold"])


def _first(
    name: str, first: Sequence[float], bare: Sequence[float], targets: Mapping[str, float]
) -> Iterator[Row]:
    yield Row(START, name, rounds.value(first), SECONDS, "QEMU to the first result")
    yield Row(START, f"{name}, over bare boot", rounds.ratio(first, bare), TIMES)
    bounds = [BARE_TIMES * seconds + BARE_MORE for seconds in bare]
    note = f"over {BARE_TIMES:g} bare boots and {BARE_MORE:g} s"
    over = rounds.ratio(first, bounds)
    yield Row(START, f"{name}, over bound", over, TIMES, note, targets["first_over_bare"])


def tests(least: Sequence[Ran], whole: Ran) -> Iterator[Row]:
    """From one test, several times, to all: planning on the host, collecting in the guest."""
    more = whole.planned - least[0].planned
    for name, few, many in (
        ("to QEMU", [one.to_qemu for one in least], whole.to_qemu),
        ("collect", [one.split.collect for one in least], whole.split.collect),
    ):
        one = rounds.value(few)
        yield Row(TESTS, f"{name}, {_tests(least[0])}", one, SECONDS, _guests(least[0].split.guests))
        yield single(TESTS, f"{name}, {_tests(whole)}", many, SECONDS, _guests(whole.split.guests))
        each = rounds.value([(many - seconds) / more for seconds in few])
        yield Row(TESTS, f"{name}, each more", each, SECONDS)


def guests(runs: Sequence[Ran], targets: Mapping[str, float]) -> Iterator[Row]:
    """Runs of the same tests; the first has one guest."""
    alone = runs[0].split
    yield from _parts(runs[0])
    for one in runs:
        this = one.split
        name = _guests(this.guests)
        failed = f", {one.failed} failed" if one.failed else ""
        yield single(GUESTS, f"{name}, plan to last result", this.running, SECONDS, _tests(one) + failed)
        yield single(GUESTS, f"{name}, in tests", this.efficiency, TIMES, "of the guests' time")
        per = this.busy / this.tests if this.tests else 0.0
        yield single(GUESTS, f"{name}, a test", per, SECONDS, "guest-seconds, all phases")
        if this.guests > 1:
            faster = alone.running / this.running
            yield single(GUESTS, f"{name}, speed-up", faster, TIMES, "over 1 guest")
            target = targets["efficiency_loss"] if this.guests == 2 else None
            lost = 1 - faster / this.guests
            yield single(GUESTS, f"{name}, lost", lost, TIMES, "1 - speed-up over guests", target)


def _parts(one: Ran) -> Iterator[Row]:
    """Where the time of a run went, as parts of all of it: together 1."""
    this, boot = one.split, one.split.boot
    ready = boot.all if boot else 0.0
    share = 1 / (one.wall * this.guests)  # of a guest-second
    parts = {
        "plan, to QEMU": one.to_qemu / one.wall,
        "boot": ready / one.wall,
        "collect": this.collect / one.wall,
        **{name: seconds * share for name, seconds in this.phases.items()},
        "between tests": this.between * share,
        "end and reports": one.after / one.wall,
    }
    parts["other"] = 1.0 - sum(parts.values())
    for name, part in parts.items():
        yield single(GUESTS, f"{_guests(this.guests)}: {name}", part, TIMES, f"of {one.wall:.1f} s")


def _tests(one: Ran) -> str:
    return f"{one.planned} test{'' if one.planned == 1 else 's'}"


def _guests(number: int) -> str:
    return f"{number} guest{'' if number == 1 else 's'}"
