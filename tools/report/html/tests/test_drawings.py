# SPDX-License-Identifier: GPL-2.0-only
"""What the drawings of the page are made of: topologies, guests over time, and where pages landed."""

import itertools
import json

import pytest

from tools.guest import topology
from tools.report.events import read
from tools.report.html import guests, landing, machines
from tools.report.html.findings import anchors_of
from tools.report.html.words import Levels, at, duration, plain, size
from tools.report.tests.catalogue import CATALOGUE
from tools.report.tests.test_reports import GOLDEN
from tools.report.verdict import judge


def apart(one, other):
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


@pytest.mark.parametrize("name", topology.names())
def test_each_topology_has_a_drawing_of_all_that_is_in_it(name):
    known = topology.load(name)
    drawing = machines.draw(known)
    for box in drawing.boxes:
        assert box.x >= 0
        assert box.x + box.width <= drawing.width + 0.01
        assert box.y + box.height <= drawing.height
    assert all(apart(*pair) for pair in itertools.combinations(drawing.boxes, 2))
    kinds = [box.kind for box in drawing.boxes]
    tree = known.tree
    assert kinds.count("ordinary") == len(known.nodes)
    assert kinds.count("private") == len(known.private)
    assert kinds.count("device") == (len(tree.devices) if tree else 0)
    switched = sum(len(switch.ports) for switch in tree.switches) if tree else 0
    assert kinds.count("port") == (len(tree.ports) + switched if tree else 0)
    targets = sum(len(window.targets) for window in tree.windows) if tree else 0
    below = len(drawing.boxes) - len(known.nodes) - len(known.private) - (len(tree.bridges) if tree else 0)
    assert len(drawing.lines) == targets + below


def test_addresses_are_those_that_a_guest_has():
    known = topology.load("fast")
    assert known.starts() == {0: 0, 1: 0x100000000, 2: 0x120000000, 3: 0x140000000}
    assert {memory.id: memory.start for memory in known.private} == {1: 0x100000000, 3: 0x140000000}
    assert known.with_more_memory(1 << 30).starts() == known.starts()
    lines = [line for box in machines.draw(known).boxes for line in box.lines]
    assert "1 GiB of DRAM, CPUs 0-1" in lines
    assert "0x100000000 - 0x11fffffff" in lines


def test_a_place_without_a_topology_has_no_drawing():
    run = {"kernel": {"flavour": "debug"}}
    drawn = machines.drawings_of(run, ["here", "fast", "one-that-is-gone"])
    assert [drawing.name for drawing in drawn] == ["fast"]
    assert "1 GiB of DRAM, CPUs 0-1" not in drawn[0].boxes[0].lines, "this flavour has more memory"
    assert len(machines.drawings_of({"kernel": None}, ["fast"])) == 1


def sessions_of(events):
    verdict = judge(events, CATALOGUE.values())
    return guests.sessions_of(events, verdict, Levels(verdict), anchors_of(verdict))


def guest(time, slot, state, **fields):
    return {
        "event": "guest",
        "time": time,
        "topology": "fast",
        "slot": slot,
        "boot": 0,
        "state": state,
        **fields,
    }


def ran(time, slot, nodeid, outcome="PASS", seconds=1.0):
    place = {"topology": "fast", "nodeid": nodeid, "slot": slot}
    yield {"event": "test-start", "time": time, **place}
    yield {"event": "test", "time": time + seconds, **place, "outcome": outcome, "duration": seconds}


def test_boots_tests_and_losses_are_where_they_happened():
    events = [
        {"event": "run-start", "time": 0.0, "topologies": ["fast"]},
        guest(10.0, 0, "ready", seconds={"ready": 6.0}, console="guests/slot0/boot0/console.log"),
        guest(10.0, 1, "ready", seconds={"ready": 10.0}),
        {"event": "session-start", "time": 10.0, "topology": "fast", "accel": "tcg"},
        guest(12.0, 0, "up"),
        guest(12.0, 1, "up"),
        {"event": "plan", "time": 12.0, "topology": "fast", "tests": ["a", "b", "c", "d"]},
        *ran(20.0, 0, "a", seconds=20.0),
        *ran(20.0, 1, "b", seconds=0.01),
        *ran(40.0, 0, "c", "FAIL", seconds=10.0),
        guest(50.0, 0, "lost", kind="panic", reason="so it goes", nodeid="c"),
        guest(60.0, 0, "up", boot=1),
        {"event": "test-start", "time": 90.0, "topology": "fast", "nodeid": "d", "slot": 0},
        {"event": "problem", "time": 100.0, "topology": "fast", "kind": "guest", "message": "x"},
    ]
    (session,) = sessions_of(events)
    assert (session.accel, session.seconds, session.ended) == ("tcg", 100.0, False)
    first, second = session.lanes
    assert [(bar.status, bar.x, bar.width) for bar in first.bars] == [
        ("boot", 0.0, 60.0),
        ("boot", 500.0, 100.0),
        ("collect", 60.0, 140.0),
        ("collect", 600.0, 300.0),
        ("PASS", 200.0, 200.0),
        ("FAIL", 400.0, 100.0),
        ("MISS", 900.0, 100.0),
    ]
    assert [(loss.x, loss.anchor) for loss in first.losses] == [(500.0, "t2")]
    assert "guest lost (panic) in c: so it goes" in first.losses[0].title
    assert second.small == [(200.0, 0.1)]
    assert (first.tests, first.busy, first.booting) == (2, 40.0, 16.0)
    assert session.marks[0] == (0.0, "0:00")
    assert session.marks[-1] == (1000.0, "1:40")


def test_a_session_on_this_machine_has_one_lane():
    (session,) = sessions_of(read(GOLDEN / "a-should-deviates.jsonl").events)
    assert [lane.label for lane in session.lanes] == ["here"]


def seen(policy, counts, **fields):
    return "residency", json.dumps({"policy": policy, "counts": counts, **fields})


def landed(*tests):
    events = [
        {"event": "plan", "time": 0.0, "topology": "fast", "tests": [nodeid for nodeid, _ in tests]},
        *(
            {
                "event": "test",
                "topology": "fast",
                "nodeid": nodeid,
                "outcome": "PASS",
                "properties": noted,
            }
            for nodeid, noted in tests
        ),
    ]
    return landing.landings_of(judge(events, CATALOGUE.values()))


def test_variants_that_agree_are_one_line_and_policies_are_apart():
    bind = {"nodes": [1], "private": [1], "runs": [[1, 16]]}
    turns = {"nodes": [0, 1], "private": [1], "runs": [[0, 1], [1, 1], [0, 1], [None, 1]], "absent": 1}
    found = landed(
        ("m.py::test_bind[base]", [seen("BIND", {"1": 16}, by="mbind", **bind)]),
        ("m.py::test_bind~2[huge]", [seen("BIND", {"1": 48}, by="set_mempolicy", **bind)]),
        ("m.py::test_bind[full]", [seen("BIND", {"0": 16}, by="mbind", **bind)]),
        ("m.py::test_turns", [seen("INTERLEAVE", {"0": 2, "1": 1}, **turns)]),
    )
    one, other = found
    line, differs = one.pictures
    assert (differs.label, differs.segments[0].name) == ("test_bind[full]", "node 0")
    assert (one.policy, line.label, line.nodes, line.by, line.pages) == (
        "BIND", "test_bind, 2 variants", "{1}", "mbind, set_mempolicy", 64
    )  # fmt: skip
    assert [(part.css, part.width, part.percent) for part in line.segments] == [("private0", 360.0, 100.0)]
    assert line.strip is None
    (line,) = other.pictures
    assert [(part.name, part.pages) for part in line.segments] == [
        ("node 0", 2), ("private node 1", 1), ("not there", 1)
    ]  # fmt: skip
    assert [css for css, *_ in line.strip.runs] == ["ordinary0", "private0", "ordinary0", "absent"]
    assert landing.legend(found) == [
        ("ordinary0", "node 0"),
        ("absent", "not there"),
        ("private0", "private node 1"),
    ]


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "null", '{"policy":"BIND"}', '{"policy":"BIND","counts":[1]}']
)
def test_what_is_no_observation_is_left_out(value):
    assert landed(("m.py::test_bind", [("residency", value)])) == []


def test_sizes_times_and_words():
    assert [size(n) for n in (512 << 20, 1 << 30, 1536 << 20, 4097)] == [
        "512 MiB",
        "1 GiB",
        "1536 MiB",
        "4097 bytes",
    ]
    assert [duration(s) for s in (0.154, 14.6, 119.9, 842.0, 7321)] == [
        "0.15 s", "14.6 s", "119.9 s", "14:02 min", "2:02:01 h"
    ]  # fmt: skip
    assert at(1795629391.474) == "2026-11-25 17:56:31 UTC"
    assert [at(value) for value in (None, "soon", True, 1e300)] == [""] * 4
    assert plain("\x1b[31mred\x1b[0m\r\n\x00\u202e") == "red\n\ufffd\ufffd"
    assert plain("a" * 100, 10).startswith("aaa\n[... 90 characters left out")
