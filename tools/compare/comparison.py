# SPDX-License-Identifier: GPL-2.0-only
"""The join of two runs: by requirement id, and by topology and node id."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tools.compare import timing
from tools.compare.changes import (
    RESULTS,
    Change,
    RequirementChange,
    TestChange,
    by_outcome,
    first_line,
    of_test,
)
from tools.compare.side import Key, Side
from tools.compare.timing import Speed, TimeChange
from tools.errors import UserError
from tools.report.events import Outcome
from tools.report.outcomes import TestVerdict
from tools.report.verdict import RequirementLike, Tally

#: Reasons why a test is in one of the runs only.
NOT_CHOSEN, OTHER_SUITE = "not chosen", "not in the suite"


@dataclass(frozen=True)
class Comparison:
    """Everything the reports need. `tests` and `requirements` hold what is the same as well."""

    a: Side
    b: Side
    tests: tuple[TestChange, ...]
    requirements: tuple[RequirementChange, ...]
    speeds: tuple[Speed, ...]
    times: tuple[TimeChange, ...]
    differences: Mapping[str, tuple[str, str]]  # what the runs were made of, where it differs

    def tests_with(self, *changes: Change) -> list[TestChange]:
        return [test for test in self.tests if test.change in changes]

    def requirements_with(self, *changes: Change) -> list[RequirementChange]:
        return [row for row in self.requirements if row.change in changes]

    @property
    def levels(self) -> Mapping[Key, str]:
        """The level of each test."""
        return {(test.topology, test.nodeid): test.level for test in self.tests}


def compare(a: Side, b: Side, catalogue: Mapping[str, RequirementLike]) -> Comparison:
    """Join two runs. Raises UserError when they have no test in common."""
    tests = tuple(_tests(a, b, catalogue))
    if not any(test.a and test.b for test in tests):
        topologies = [", ".join(side.verdict.topologies) for side in (a, b)]
        raise UserError(
            f"A and B have no test in common: A has {len(a.tests)} on {topologies[0]}, "
            f"B {len(b.tests)} on {topologies[1]}"
        )
    speeds, times = timing.compare(a.durations, b.durations)
    requirements = tuple(_requirements(a, b, tests, catalogue))
    return Comparison(a, b, tests, requirements, tuple(speeds), tuple(times), dict(_differences(a, b)))


def _tests(a: Side, b: Side, catalogue: Mapping[str, RequirementLike]) -> Iterator[TestChange]:
    for key in dict.fromkeys([*a.tests, *b.tests]):
        before, after = _alive(key, a, b), _alive(key, b, a)
        change, reason = _change(key, before, after, a, b)
        here = after or before
        assert here is not None
        levels = {catalogue[name].level for name in here.requirements if name in catalogue}
        level = "should" if levels == {"should"} else "must"
        missing = after.outcome is Outcome.MISS if after else key[0] in b.verdict.unplanned
        yield TestChange(
            *key, change, level, here.requirements, before, after, reason, missing and change is Change.LOST
        )


def _alive(key: Key, side: Side, other: Side) -> TestVerdict | None:
    """The test in a run. That no kernel died between two tests is a result, too, on a topology that ran."""
    found = side.tests.get(key)
    if found is None and key[1].startswith("guests::") and key[0] in _ran(side):
        return replace(other.tests[key], outcome=Outcome.PASS, kind=None, message="", detail="")
    return found


def _ran(side: Side) -> set[str]:
    return set(side.verdict.topologies) - set(side.verdict.unplanned)


def _change(
    key: Key, before: TestVerdict | None, after: TestVerdict | None, a: Side, b: Side
) -> tuple[Change, str]:
    """The change of a test, and why it has no result in one of the runs."""
    change = of_test(before, after)
    if before and after:
        if change is Change.LOST:
            return change, f"{after.outcome}: {first_line(after) or 'no reason given'}"
        if change is Change.NEW:
            return change, f"was {before.outcome}: {first_line(before) or 'no reason given'}"
        return change, ""
    without, only = (a, Change.ONLY_B) if before is None else (b, Change.ONLY_A)
    topology = key[0]
    if topology in without.verdict.unplanned:
        return change, f"{without.label} never began on {topology}"
    if topology not in without.verdict.topologies:
        return only, f"{without.label} did not run topology {topology}"
    if a.selection != b.selection:
        return only, f"{NOT_CHOSEN} in {without.label}"
    if a.run.get("suite") != b.run.get("suite"):
        return change if only is Change.ONLY_B else only, f"{OTHER_SUITE} of {without.label}"
    return change, f"not collected in {without.label}, by the same suite and choice"


def _requirements(
    a: Side, b: Side, tests: Sequence[TestChange], catalogue: Mapping[str, RequirementLike]
) -> Iterator[RequirementChange]:
    by_id: dict[str, list[TestChange]] = {}
    for test in tests:
        for name in dict.fromkeys([*(test.a.requirements if test.a else ()), *test.requirements]):
            by_id.setdefault(name, []).append(test)
    for name in [*(n for n in catalogue if n in by_id), *sorted(set(by_id) - set(catalogue))]:
        asked = [test for test in by_id[name] if not _unasked(test)]
        if not asked:
            continue
        before, after = _outcomes(asked)
        rounds = max((test.b.rounds for test in asked if test.b), default=1)
        row = catalogue.get(name)
        yield RequirementChange(
            name,
            row.level if row else "must",
            row.statement if row else "(not in the catalogue)",
            _overall(asked, by_outcome(before, after, rounds)),
            before,
            after,
            row.expected(a.dialect) if row else None,
            row.expected(b.dialect) if row else None,
            tuple(test for test in asked if test.change not in (Change.SAME, Change.STILL)),
            known=row is not None,
        )


def _unasked(test: TestChange) -> bool:
    """Whether one of the runs was not asked for the test, by topology or choice."""
    return test.change in (Change.ONLY_A, Change.ONLY_B) and not test.reason.startswith(OTHER_SUITE)


def _outcomes(tests: Sequence[TestChange]) -> tuple[Outcome, Outcome]:
    """A requirement's outcomes in A and B, over the tests that have a result in both: a failing test that is
    not there any more is no fix. B's new tests count as well, unless A was to run them and did not get to
    it. Without any such test, what each run has by itself.
    """
    shared = [t for t in tests if t.a and t.b and t.a.outcome in RESULTS and t.b.outcome in RESULTS]
    new = [t for t in tests if t.change is Change.NEW and not (t.a and t.a.outcome is Outcome.MISS)]
    if shared:
        return _worst([test.a for test in shared]), _worst([test.b for test in (*shared, *new)])
    return _worst([test.a for test in tests]), _worst([test.b for test in tests])


def _overall(tests: Sequence[TestChange], change: Change) -> Change:
    """Still failing is failing otherwise when a test of it is."""
    moved = {Change.OTHERWISE, Change.FAILING, Change.EXCUSED, Change.FIXED}
    if change is Change.STILL and moved & {test.change for test in tests}:
        return Change.OTHERWISE
    return change


def _worst(tests: Sequence[TestVerdict | None]) -> Outcome:
    return Tally(Counter(test.outcome for test in tests if test)).outcome


def _differences(a: Side, b: Side) -> Iterator[tuple[str, tuple[str, str]]]:
    facts = (
        ("kernel", a.kernel.get("release"), b.kernel.get("release")),
        ("kernel image", _digest(a), _digest(b)),
        ("flavour", a.kernel.get("flavour"), b.kernel.get("flavour")),
        ("dialect", a.dialect, b.dialect),
        ("suite", a.run.get("suite"), b.run.get("suite")),
        ("catalogue", _hash(a), _hash(b)),
        ("topologies", ", ".join(a.verdict.topologies), ", ".join(b.verdict.topologies)),
        ("choice of tests", " ".join(a.selection) or "all", " ".join(b.selection) or "all"),
        ("rounds", a.run.get("repeat"), b.run.get("repeat")),
        *(
            (f"accelerator of {name}", a.accel(name), b.accel(name))
            for name in a.verdict.topologies
            if name in b.verdict.topologies
        ),
    )
    for name, before, after in facts:
        if before != after:
            yield name, (str(before or "not said"), str(after or "not said"))


def _digest(side: Side) -> str:
    return str(side.kernel.get("image_sha256") or "")[:12]


def _hash(side: Side) -> str:
    return str(side.run.get("catalogue_hash") or "")[:12]
