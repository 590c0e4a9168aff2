# SPDX-License-Identifier: GPL-2.0-only
"""Which failures are known, that nothing worse hides behind an entry, and when an entry is stale."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from tools.known.entry import ALLOWED, KNOWN, Entry, Match, covers
from tools.known.judge import expiring, recognise, stale
from tools.report.events import Outcome

RUN: dict[str, Any] = {
    "event": "run-start",
    "time": 1795629656.0,  # 2026-11-25
    "kernel": {"release": "6.12.117-pnode"},
    "dialect": "v4",
    "topologies": ["fast", "cxl"],
    "selection": [],
}
BUSY = "selftests/hotplug/test_busy.py::test_busy[policy]"
X, Y = "0" * 12, "1" * 12


@dataclass
class Result:
    outcome: Outcome = Outcome.FAIL
    kind: str | None = "assertion"
    message: str = "AssertionError: EINTR: it went on"
    nodeid: str = BUSY
    topology: str = "fast"
    requirements: tuple[str, ...] = ("HPL-09", "HPL-09a")
    splats: tuple[str, ...] = ()
    known: Entry | None = None


def entry(table=KNOWN, *, intermittent=False, name="k.toml: [[known]] 1", **match):
    lists = {key: (value,) if isinstance(value, str) else value for key, value in match.items()}
    for key in ("message", "text"):
        if key in match:
            lists[key] = match[key]
    return Entry(name, table, "made up", "https://x", date(2026, 12, 1), Match(**lists), intermittent)


def is_known(result, **match):
    return recognise(result, [entry(**match)], RUN) is not None


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({"test": BUSY}, True),
        ({"test": "selftests/hotplug/test_busy.py::test_busy"}, True),
        ({"test": "selftests/hotplug/test_busy.py"}, True),
        ({"test": "selftests/hotplug"}, True),
        ({"test": "selftests/hotplug/test_busy.py::test_bus"}, False),
        ({"test": "selftests/hot"}, False),
        ({"test": "*busy*"}, True),
        ({"test": "*::test_busy[device]"}, False),
        ({"test": ("selftests/x", "selftests/hotplug")}, True),
        ({"requirement": "HPL-09"}, True),
        ({"requirement": "HPL-09a"}, True),
        ({"requirement": "HPL"}, True),
        ({"requirement": "ISO"}, False),
        ({"requirement": "HPL", "test": "selftests/isolation"}, False),
        ({"requirement": "HPL", "topology": "fast"}, True),
        ({"requirement": "HPL", "topology": "cxl"}, False),
        ({"requirement": "HPL", "dialect": "v5"}, False),
        ({"requirement": "HPL", "release": "6.12.*"}, True),
        ({"requirement": "HPL", "release": "6.1.*"}, False),
        ({"requirement": "HPL", "message": "EINTR"}, True),
        ({"requirement": "HPL", "message": "^EINTR"}, False),
        ({"message": "EINTR"}, True),
        ({"requirement": "HPL", "kind": "panic"}, False),
    ],
)
def test_what_an_entry_is_about(match, hit):
    assert is_known(Result(), **match) is hit


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.FAIL])
def test_only_a_failure_can_be_known(outcome):
    assert not is_known(Result(outcome=outcome), requirement="HPL")


@pytest.mark.parametrize(
    ("kind", "splats", "match", "hit"),
    [
        # Nothing but an ordinary failure, unless it is named.
        ("exception", (), {"test": BUSY}, True),
        ("panic", (X,), {"test": BUSY}, False),
        ("hang", (), {"test": BUSY}, False),
        ("guest-lost", (), {"test": BUSY}, False),
        ("splat", (X,), {"test": BUSY}, False),
        ("invariant", (), {"test": BUSY}, False),
        ("invariant", (), {"test": BUSY, "kind": "invariant"}, True),
        ("hang", (), {"test": BUSY, "kind": "hang"}, True),
        ("panic", (X,), {"test": BUSY, "kind": "panic"}, True),
        ("panic", (X,), {"message": "EINTR"}, True),
        # A splat that is not named does not hide behind one that is, nor behind a message.
        ("splat", (X,), {"splat": X}, True),
        ("splat", (X, Y), {"splat": X}, False),
        ("splat", (X, Y), {"splat": (X, Y)}, True),
        ("splat", (Y,), {"splat": X}, False),
        ("splat", (X, Y), {"message": "EINTR"}, False),
        ("splat", (), {"splat": X}, False),
        ("oops", (X,), {"splat": X}, True),
        ("assertion", (X,), {"test": BUSY}, False),
        ("assertion", (X,), {"splat": X}, False),
        ("assertion", (X,), {"test": BUSY, "kind": "assertion", "splat": X}, True),
    ],
)
def test_nothing_worse_hides_behind_an_entry(kind, splats, match, hit):
    assert is_known(Result(kind=kind, splats=splats), **match) is hit


def test_an_allowed_splat_makes_no_failure_known():
    assert recognise(Result(kind="splat", splats=(X,)), [entry(ALLOWED, splat=X)], RUN) is None


PASSED, SKIPPED = Result(outcome=Outcome.PASS), Result(outcome=Outcome.SKIP)


@pytest.mark.parametrize(
    ("results", "run", "options", "is_stale"),
    [
        ([PASSED], {}, {"test": BUSY}, True),
        ([PASSED, SKIPPED], {}, {"test": BUSY}, True),
        ([SKIPPED], {}, {"test": BUSY}, False),
        ([PASSED, Result()], {}, {"test": BUSY}, False),
        ([PASSED, Result(outcome=Outcome.MISS)], {}, {"test": BUSY}, False),
        ([PASSED], {}, {"test": "selftests/isolation"}, False),
        ([PASSED], {}, {"test": BUSY, "intermittent": True}, False),
        ([PASSED], {}, {"test": BUSY, "dialect": "v5"}, False),
        # Only where the run had everything that the entry is about.
        ([PASSED], {"topologies": ["fast"]}, {"test": BUSY}, False),
        ([PASSED], {"topologies": ["fast"]}, {"test": BUSY, "topology": "fast"}, True),
        ([PASSED], {"selection": ["-k", "busy"]}, {"test": BUSY}, False),
        ([PASSED], {"selection": ["--req", "HPL"]}, {"test": BUSY}, False),
        ([PASSED], {"selection": ["--req", "HPL"]}, {"requirement": "HPL-09"}, True),
        ([PASSED], {"selection": ["--req", "HPL-09a"]}, {"requirement": "HPL-09"}, False),
        ([PASSED], {"selection": ["--req", "HPL", "-m", "core"]}, {"requirement": "HPL-09"}, False),
        ([PASSED], {"selection": None}, {"test": BUSY}, False),
        ([PASSED], {}, {"splat": X}, True),
        ([PASSED], {"selection": ["--req", "HPL"]}, {"splat": X}, False),
        ([PASSED], {}, {"table": ALLOWED, "splat": X}, True),
        ([PASSED], {"selection": ["--req", "HPL"]}, {"table": ALLOWED, "splat": X}, False),
    ],
)
def test_an_entry_that_nothing_matched(results, run, options, is_stale):
    lines = stale([entry(**options)], results, [], RUN | run)
    assert bool(lines) is is_stale
    if lines:
        why = "nothing matched, although its test ran and passed; remove it"
        assert lines == [f"k.toml: [[known]] 1 (made up): {why}"]


def test_an_entry_that_was_used_is_not_stale():
    one = entry(test=BUSY)
    other = Result(outcome=Outcome.PASS, nodeid=BUSY.replace("policy", "device"), known=None)
    assert stale([one], [other, Result(outcome=Outcome.KNOWN, known=one)], [], RUN) == []
    allowed = entry(ALLOWED, splat=X)
    seen = {"event": "splat", "by": allowed.name}
    assert stale([allowed], [PASSED], [seen], RUN) == []


def test_entries_that_end_soon():
    one = entry(test=BUSY)
    assert expiring([one], RUN) == ["k.toml: [[known]] 1 (made up): expires on 2026-12-01, in 6 days"]
    assert expiring([one], RUN | {"time": RUN["time"] - 20 * 86400}) == []
    assert expiring([one], {}) == []


@pytest.mark.parametrize(
    ("pattern", "nodeid", "hit"),
    [
        ("selftests/a", "selftests/a/test_b.py::test_c", True),
        ("selftests/a/test_b.py", "selftests/a/test_b.py::test_c", True),
        ("selftests/a/test_b.py::TestX", "selftests/a/test_b.py::TestX::test_c[1]", True),
        ("selftests/a/test_b.py::test_c", "selftests/a/test_b.py::test_c2", False),
        ("selftests/a/test_b.py::test_c[1]", "selftests/a/test_b.py::test_c[1]", True),
        ("selftests/a/test_b.py::test_c[1*]", "selftests/a/test_b.py::test_c[12]", True),
        ("guests::*", "guests::slot0-boot1", True),
        ("*.py", "selftests/a/test_b.py::test_c", False),
    ],
)
def test_names_of_tests(pattern, nodeid, hit):
    assert covers(pattern, nodeid) is hit
