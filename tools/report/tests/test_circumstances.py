# SPDX-License-Identifier: GPL-2.0-only
from tools.report.circumstances import Place, circumstances_of


def guest(state, slot, boot, topology="fast", **fields):
    return {"event": "guest", "topology": topology, "slot": slot, "boot": boot, "state": state, **fields}


def result(nodeid, slot, topology="fast", console=None):
    return {"event": "test", "topology": topology, "nodeid": nodeid, "slot": slot, "console": console}


def start(nodeid, time):
    return {"event": "test-start", "time": time, "topology": "fast", "nodeid": nodeid, "slot": 0}


def test_a_test_has_the_console_of_the_guest_that_its_slot_had_then():
    found = circumstances_of(
        [
            guest("ready", 0, 0, console="guests/slot0/boot0/console.log"),
            guest("up", 0, 0, console=None),
            result("a", 0),
            guest("lost", 0, 0, console="guests/slot0/boot0/console.log"),
            result("b", 0, console="guests/slot0/boot0/console.log"),
            guest("up", 0, 1, console=None),
            result("c", 0),
            guest("down", 0, None, console=None),
            result("d", 1),
            result("a", 0, topology="cxl"),
        ]
    )
    assert found.consoles == {
        ("fast", "a"): "guests/slot0/boot0/console.log",
        ("fast", "b"): "guests/slot0/boot0/console.log",
        ("fast", "c"): "guests/slot0/boot1/console.log",
    }


def test_a_test_starts_with_its_first_round():
    found = circumstances_of([start("a[1]", 5.0), start("a~2[1]", 7.0), start("a[1]", 9.0)])
    assert found.started == {("fast", "a[1]"): 5.0}


def test_a_place_is_what_session_and_first_guest_say():
    record = {"cpus": 2, "memory_kb": 1000, "pace": 3.5}
    found = circumstances_of(
        [
            guest("ready", 0, 0, console=None, record=record),
            guest("ready", 1, 0, console=None, record={**record, "cpus": 4}),
            {"event": "session-start", "topology": "fast", "accel": "tcg"},
            {"event": "session-start", "topology": "here", "accel": None},
        ]
    )
    assert found.places["fast"] == Place("tcg", True, 2, 1000, 3.5)
    assert found.places["here"].guest is False
    assert found.place("cxl") == Place(), "nobody said anything about it"
