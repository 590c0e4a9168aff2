# SPDX-License-Identifier: GPL-2.0-only
"""Splats and parts of consoles in the events of real sessions; the guests are processes that write a
console."""

from tools.report.tests.test_plugin import events, project, run, write

__all__ = ["project"]

GUEST = """
import json
from helpers import testmarks
RUN = Path(os.environ["RUN_DIR"])

def boot():
    slot = RUN / "guests" / ("slot" + os.environ.get("PNODE_SLOT", "0"))
    number = len(list(slot.glob("boot*")))
    (slot / f"boot{number}").mkdir(parents=True)
    (slot / "current").unlink(missing_ok=True)
    (slot / "current").symlink_to(f"boot{number}")

def say(*lines):
    with (RUN / "guests" / ("slot" + os.environ["PNODE_SLOT"]) / "current/console.log").open("a") as file:
        file.write("".join(f"[   10.000000] {line}\\r\\n" for line in lines))

if "PYTEST_XDIST_WORKER" in os.environ:
    boot()
    say("Linux version", "WARNING: CPU: 0 PID: 1 at mm/boot.c:1 at_boot+0x1/0x2", "Call Trace:", " </TASK>")

@pytest.fixture(autouse=True)
def marks(request):
    say(testmarks.start_of(request.node.nodeid))
    yield
    say(testmarks.END)
"""


def test_what_travels_with_results_and_what_is_read_from_consoles(project):
    row = {
        "kind": "WARNING",
        "what": "WARNING",
        "digest": "0" * 12,
        "functions": ["f"],
        "title": "t",
        "text": "all lines",
        "allowed": None,
        "by": None,
    }
    write(
        project,
        f"""{GUEST}
@requirement("ISO-02")
def test_a_warns(request):
    request.node.user_properties.append(("splat", json.dumps({row!r})))
@requirement("ISO-04")
def test_b_dies():
    say("before it", "BUG: kernel NULL pointer dereference, address: 0", "RIP: 0010:culprit+0x1/0x2")
    say("---[ end trace 0 ]---", "Kernel panic - not syncing: Fatal exception")
    (RUN / "guests/slot0/current/state.json").write_text('{{"reason": "oops: BUG: kernel NULL"}}')
    os._exit(1)
@requirement("ISO-04")
def test_c_passes(): pass
""",
    )
    status, output = run(project)
    assert status == 1, output
    tests = {event["nodeid"].partition("::")[2]: event for event in events(project, "test")}
    first, second, third = tests["test_a_warns"], tests["test_b_dies"], tests["test_c_passes"]
    assert (first["console"], first["lines"], first["splats"]) == (
        "guests/slot0/boot0/console.log",
        [5, 6],
        ["0" * 12],
    )
    assert ["splat", first["splats"][0]] not in first["properties"]
    assert all(name != "splat" for name, _ in first["properties"])
    assert (second["kind"], second["lines"]) == ("oops", [7, 12])
    (said,) = [text for title, text in second["sections"] if title == "kernel log"]
    assert "before it" in said
    assert "at_boot" not in said
    assert (third["console"], third["lines"]) == ("guests/slot0/boot1/console.log", [5, 6])
    told = [
        (event["during"], event["functions"], event["fatal"], event["text"] is None)
        for event in events(project, "splat")
    ]
    assert told == [
        ("boot", ["at_boot"], False, False),
        ("test", ["f"], False, False),
        ("test", ["culprit"], True, False),
        ("boot", ["at_boot"], False, True),
    ]
    assert second["splats"] == [events(project, "splat")[2]["digest"]]
    assert "FAIL fast guests::splat-" in output
    assert "seen 2 times, first in fast the boot of slot0-boot0" in output
