# SPDX-License-Identifier: GPL-2.0-only
"""Records of runs whose names, messages and logs look like anything but text."""

from hypothesis import strategies as st

from tools.report.tests.catalogue import CATALOGUE

TIME = 1795417600.0
#: What some reader or other takes for its own: results, plans, headers, ends, markup, controls.
FRAGMENTS = [
    "ok 1 a_result",
    "not ok 2 - another # TODO later",
    "    ok 1 an indented one",
    "# ok 1 a result in a comment",
    "1..3",
    "1..0 # SKIP everything",
    "KTAP version 1",
    "TAP version 13",
    "TAP version 12",
    "# Subtest: ISO",
    "Subtest: ISO",
    "Bail out! no more",
    "  ---\n  yaml: [\n  ...",
    "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
    "List of all partitions:",
    "reboot: System halted",
    "kunit executor: hello",
    "[ERROR] Test: ISO: missing expected subtest!",
    "# SKIP not really",
    "# XFAIL",
    "deviation of level should: not this one",
    "MISS: nor this",
    "]]></failure><error/>",
    "&amp;<&\"'",
    "\x1b[31;1mred\x1b[0m",
    "\0\x01\x7f\ufffe\uffff",
    "\ud800 and \udfff",
    "é ü 😀 \u202e \u2028 \u2029 \x85 \x0b \x0c",
    "\ttab\r\nreturn\rreturn",
    "#",
    " - ",
    "",
    " ",
]
#: More than the forms take, in one and in four bytes a character.
LONG = ["x" * 70_000, "😀" * 9_000]
TOPOLOGIES = ["fast", "cxl", "cxl-pair"]
KINDS = {
    "FAIL": [
        *("assertion", "exception", "panic", "oops", "test-hang", "kernel-hang", "guest-lost", "splat"),
        "invariant",
    ],
    "ERROR": ["exception", "test-hang", "guest-lost"],
}

text = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=20), max_size=4).map("\n".join)
parameter = st.sampled_from(FRAGMENTS) | st.text(max_size=12)
nodeids = st.builds(
    "selftests/{}/test_{}.py::{}{}[{}]".format,
    st.sampled_from(["isolation", "cxl", "x.y"]),
    st.sampled_from("ab"),
    st.sampled_from(["", "TestIt::"]),
    st.sampled_from(["test_a", "test_b", "ISO", "0", "-"]),
    parameter,
)


@st.composite
def results(draw, topology, nodeid):
    """A test's event."""
    outcome = draw(st.sampled_from(["PASS", "FAIL", "ERROR", "SKIP"]))
    message = "" if outcome == "PASS" else draw(text)
    return {
        "event": "test",
        "time": TIME,
        "topology": topology,
        "nodeid": nodeid,
        "slot": draw(st.sampled_from([0, 1, None])),
        "outcome": outcome,
        "kind": draw(st.sampled_from(KINDS[outcome])) if outcome in KINDS else None,
        "requirements": draw(st.lists(st.sampled_from([*CATALOGUE, "XXX-99"]), unique=True, max_size=2)),
        "duration": draw(st.floats(0, 100)),
        "phases": {},
        "message": message,
        "longrepr": draw(text | st.sampled_from(LONG)) if outcome in KINDS else "",
        "properties": draw(st.lists(st.tuples(text, text).map(list), max_size=2)),
        "sections": draw(st.lists(st.tuples(parameter, text).map(list), max_size=2)),
        "console": None,
    }


@st.composite
def records(draw):
    """The events of a run: some topologies without a plan, some tests without a result, perhaps rounds."""
    rounds = draw(st.sampled_from([1, 1, 3]))
    events = [
        {
            "event": "run-start", "time": TIME, "schema": 1, "run": "r1", "kernel": {"release": "6.12.0"},
            "dialect": "v4", "topologies": TOPOLOGIES, "repeat": rounds, "argv": ["run"],
        }
    ]  # fmt: skip
    for topology in draw(st.lists(st.sampled_from(TOPOLOGIES), unique=True)):
        base = draw(st.lists(nodeids, unique=True, min_size=1, max_size=8))
        tests = [again(nodeid, turn) for turn in range(1, rounds + 1) for nodeid in base]
        plan = {"event": "plan", "time": TIME, "topology": topology, "tests": tests, "requirements": {}}
        events.append(plan)
        for nodeid in tests:
            start = {"topology": topology, "nodeid": nodeid, "slot": 0}
            if draw(st.integers(0, 9)):
                events.append({"event": "test-start", "time": TIME, **start})
                if draw(st.integers(0, 9)):
                    events.append(draw(results(topology, nodeid)))
        if draw(st.booleans()):
            events.append(lost(topology, draw(text)))
        if draw(st.booleans()):
            problem = {"topology": topology, "kind": "guest", "message": draw(text)}
            events.append({"event": "problem", "time": TIME, **problem})
    return events


def again(nodeid, turn):
    """The test's name in a round."""
    test, bracket, parameters = nodeid.partition("[")
    return nodeid if turn == 1 else f"{test}~{turn}{bracket}{parameters}"


def lost(topology, reason):
    """A kernel that died between two tests."""
    return {
        "event": "guest", "time": TIME, "topology": topology, "slot": 0, "boot": 0, "state": "lost",
        "kind": "panic", "reason": reason, "console": "guests/slot0/boot0/console.log", "nodeid": None,
        "after": None, "excerpt": reason,
    }  # fmt: skip
