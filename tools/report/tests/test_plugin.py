# SPDX-License-Identifier: GPL-2.0-only
"""Real pytest sessions, with ordinary processes where a run has guests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tools.cli.session import distribution
from tools.report.events import read
from tools.report.tests import strict

ROOT = Path(__file__).resolve().parents[3]

CONFTEST = """
import json, os, pytest
from pathlib import Path
RUN = Path(os.environ["RUN_DIR"])
def pytest_configure(config):
    config.addinivalue_line("markers", "requirement(id): catalogue rows")
    slot = os.environ.get("PNODE_SLOT")
    if slot is not None and "PYTEST_XDIST_WORKER" in os.environ:
        (RUN / f"slot{slot}.pid").write_text(str(os.getpid()))
def pytest_collection_modifyitems(items):
    for item in items:
        for mark in item.iter_markers("requirement"):
            item.user_properties.append(("requirement", mark.args[0]))
"""

PRELUDE = "import os, signal, time, pytest\nfrom pathlib import Path\nrequirement = pytest.mark.requirement\n"


@pytest.fixture
def project(tmp_path):
    """A directory with tests, apart from the suite's own configuration."""
    (tmp_path / "run").mkdir()
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (tmp_path / "suite" / "conftest.py").write_text(CONFTEST)
    return tmp_path


def write(project, text, name="test_it.py"):
    (project / "suite" / name).write_text(PRELUDE + text)


def start(project, *arguments, slots=1, here=False, **options):
    # Not in a guest either; it is imported at the end of each session, for seconds.
    workers = ["-p", "no:hypothesispytest"]
    workers += [] if here else distribution(4)
    for slot in range(0 if here else slots):
        workers += ["--tx", f"popen//env:PNODE_SLOT={slot}"]
    environment = dict(os.environ, RUN_DIR=str(project / "run"), PYTHONPATH=str(ROOT))
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PNODE_SLOT"):
        environment.pop(name, None)
    driver = [sys.executable, "-m", "tools.report.tests.driver"]
    command = [*driver, str(project / "run"), json.dumps(options), "--"]
    return subprocess.Popen(
        [*command, *workers, *arguments, "."],
        cwd=project / "suite",
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run(project, *arguments, **options):
    process = start(project, *arguments, **options)
    output, _ = process.communicate(timeout=60)
    strict.check(project / "run" / "results.jsonl")
    return process.returncode, output


def events(project, name):
    return [event for event in read(project / "run" / "results.jsonl").events if event["event"] == name]


def outcomes(project):
    tests = events(project, "test")
    assert max(Counter(test["nodeid"] for test in tests).values()) == 1, "a test was reported twice"
    return {test["nodeid"].partition("::")[2]: (test["outcome"], test["kind"]) for test in tests}


RESULTS = """
from contextlib import contextmanager
class InvariantError(AssertionError): pass

@requirement("ISO-02")
@pytest.mark.parametrize("entry", ["a", "b"])
def test_passes(entry, record_property):
    record_property("node", "1")
    print("node1: 4 pages")
@requirement("ISO-02")
def test_asserts(): assert 1 == 2, "page on node 1"
@requirement("ISO-04")
def test_says_fail(): pytest.fail("no page left")
@requirement("DSC-01")
def test_gets_an_errno(): raise OSError(22, "Invalid argument")
@requirement("DSC-01")
def test_breaks(): raise KeyError("node")
@pytest.fixture
def broken(): raise ValueError("no node")
@requirement("DSC-01")
def test_fixture_breaks(broken): pass
@pytest.fixture
def leaky():
    yield
    raise InvariantError("node 1 lost 3 pages")
@pytest.fixture
def splat():
    yield
    raise InvariantError("new splat in the kernel log: WARNING: mm/page_alloc.c:1")
@requirement("HPL-03")
def test_leaks(leaky): pass
@requirement("HPL-03")
def test_splats(splat): pass
@pytest.fixture
def overflow():
    yield
    raise InvariantError("the kernel log overflowed during the test, so splats may be missed")
@requirement("HPL-03")
def test_overflows(overflow): pass
@requirement("HPL-03")
def test_leaks_and_more(leaky, other): pass
@pytest.fixture
def other():
    yield
    raise KeyError("x")
@requirement("DSC-12")
def test_skips(): pytest.skip("no numa_maps")
@requirement("DSC-12")
@pytest.mark.xfail(reason="known")
def test_expected(): assert False
@requirement("DSC-01")
@pytest.mark.timeout(0.2)
def test_slow(): time.sleep(5)
"""

EXPECTED = {
    "test_passes[a]": ("PASS", None),
    "test_passes[b]": ("PASS", None),
    "test_asserts": ("FAIL", "assertion"),
    "test_says_fail": ("FAIL", "assertion"),
    "test_gets_an_errno": ("FAIL", "exception"),
    "test_breaks": ("ERROR", "exception"),
    "test_fixture_breaks": ("ERROR", "exception"),
    "test_leaks": ("FAIL", "invariant"),
    "test_splats": ("FAIL", "splat"),
    "test_overflows": ("FAIL", "invariant"),
    "test_leaks_and_more": ("FAIL", "invariant"),
    "test_skips": ("SKIP", None),
    "test_expected": ("FAIL", "assertion"),
    "test_slow": ("ERROR", "test-hang"),
}


@pytest.mark.parametrize("here", [False, True], ids=["workers", "here"])
def test_each_way_to_end_has_its_outcome_and_kind(project, here):
    write(project, RESULTS)
    code, output = run(project, here=here, slots=2)
    assert outcomes(project) == EXPECTED, output
    assert code == 1
    test = {event["nodeid"]: event for event in events(project, "test")}["test_it.py::test_passes[a]"]
    assert test["requirements"] == ["ISO-02"]
    assert ["node", "1"] in test["properties"]
    assert test["sections"] == [["Captured stdout call", "node1: 4 pages\n"]]
    assert test["phases"].keys() == {"setup", "call", "teardown"}
    assert (test["slot"] is None) == here
    (plan,) = events(project, "plan")
    assert plan["requirements"]["test_it.py::test_slow"] == ["DSC-01"]
    assert len(events(project, "test-start")) == len(EXPECTED)
    assert "test session starts" not in output, "pytest's own report belongs into its log"
    assert "page on node 1" in (project / "run" / "pytest-fast.log").read_text()
    assert "2 passed, 8 failed, 1 skipped, 3 errors" in output


def test_a_run_where_everything_holds(project):
    write(project, '@requirement("ISO-02")\ndef test_a(): pass\n@requirement("ISO-04")\ndef test_b(): pass\n')
    code, output = run(project, slots=2)
    assert code == 0, output
    assert "verdict: every must requirement that was tested holds; 2 of 2 must requirements hold" in output
    assert output.rstrip().splitlines()[-1].startswith("2 passed, 0 failed, 0 skipped in ")
    (end,) = events(project, "run-end")
    assert end["exit"] == 0
    assert end["requirements"] == {"ISO-02": "PASS", "ISO-04": "PASS"}


BOOT = """
boot = RUN / "guests" / "slot0" / "boot0"
def guest_dies(reason, console):
    boot.mkdir(parents=True)
    (boot.parent / "current").symlink_to("boot0")
    (boot / "console.log").write_text(console)
    (boot / "state.json").write_text('{"reason": "%s", "excerpt": "%s"}' % (reason, console.strip()))
    os._exit(1)
"""


def test_a_panic_is_blamed_on_the_running_test_and_the_others_go_on(project):
    write(
        project,
        f"""
RUN = Path({str(project / "run")!r})
{BOOT}
@requirement("ISO-02")
def test_a(): pass
@requirement("ISO-04")
def test_panics():
    guest_dies("panic: sysrq triggered crash", "[ 1.0] Kernel panic - not syncing: sysrq")
@requirement("ISO-02")
def test_c(): pass
@requirement("ISO-02")
def test_d(): pass
""",
    )
    code, output = run(project)
    passed = dict.fromkeys(["test_a", "test_c", "test_d"], ("PASS", None))
    assert outcomes(project) == {**passed, "test_panics": ("FAIL", "panic")}, output
    assert code == 1
    (test,) = [event for event in events(project, "test") if event["kind"]]
    assert test["message"] == "panic: sysrq triggered crash"
    assert test["requirements"] == ["ISO-04"], "read from the source, since no report came"
    assert test["console"] == "guests/slot0/boot0/console.log"
    assert "Kernel panic" in test["longrepr"]
    (lost,) = [event for event in events(project, "guest") if event["state"] == "lost"]
    assert (lost["nodeid"], lost["after"]) == ("test_it.py::test_panics", "test_it.py::test_a")
    assert lost["boot"] == 0
    assert "console: " in output


def test_a_death_in_teardown_is_blamed_on_the_test_once(project):
    write(
        project,
        """
@pytest.fixture
def deadly():
    yield
    os._exit(1)
@requirement("ISO-02")
def test_a(deadly): pass
@requirement("ISO-02")
def test_b(): pass
""",
    )
    code, output = run(project)
    assert outcomes(project) == {"test_a": ("FAIL", "guest-lost"), "test_b": ("PASS", None)}, output
    assert code == 1


DIES_BETWEEN = """
import threading
{boot}
@requirement("ISO-02")
def test_a(): pass
@requirement("ISO-02")
def test_b(): pass
@requirement("ISO-02")
def test_c(): pass
"""


@pytest.mark.parametrize(("reason", "status"), [("panic: late", 1), ("killed: by hand", 0)])
def test_a_test_that_had_not_started_is_run_by_the_next_guest(project, reason, status):
    conftest = project / "suite" / "conftest.py"
    conftest.write_text(
        CONFTEST
        + f'''
{BOOT}
def pytest_runtest_protocol(item):
    # Between two tests: before the start of the second is announced.
    if item.name == "test_b" and not boot.exists():
        time.sleep(0.5)
        guest_dies({reason!r}, "{reason}")
'''
    )
    conftest.write_text("import time\n" + conftest.read_text())
    write(project, DIES_BETWEEN.format(boot=""))
    code, output = run(project)
    assert outcomes(project) == dict.fromkeys(["test_a", "test_b", "test_c"], ("PASS", None)), output
    assert code == status, output
    (lost,) = [event for event in events(project, "guest") if event["state"] == "lost"]
    assert (lost["nodeid"], lost["after"]) == (None, "test_it.py::test_a")
    assert ("panic between two tests, after test_it.py::test_a: late" in output) == bool(status)


@pytest.mark.parametrize(
    "limits", [{"deadline": 1.5}, {"deadline": 60, "deadlines": {"test_it.py::test_hangs": 1.5}}], ids=str
)
def test_a_test_past_its_deadline_takes_its_guest_with_it(project, limits):
    write(
        project,
        """
@requirement("ISO-02")
def test_hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(4))
def test_fine(n): pass
""",
    )
    began = time.monotonic()
    code, output = run(project, slots=2, **limits)
    assert time.monotonic() - began < 20
    assert outcomes(project) == {
        "test_hangs": ("FAIL", "test-hang"),
        **{f"test_fine[{n}]": ("PASS", None) for n in range(4)},
    }, output
    assert code == 1
    (test,) = [event for event in events(project, "test") if event["kind"]]
    assert test["message"] == "test-hang: ran longer than 1.5 s"
    assert test["duration"] >= 1.5
    assert "test_hangs" in (project / "run" / f"killed-{test['slot']}").read_text()


def test_a_test_that_ends_its_workers_session_is_blamed_and_the_others_go_on(project):
    write(
        project,
        """
@requirement("ISO-02")
def test_a(): pass
@requirement("ISO-04")
def test_leaves(): pytest.exit("enough", returncode=0)
@requirement("ISO-04")
def test_interrupts(): raise KeyboardInterrupt
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(4))
def test_fine(n): pass
""",
    )
    code, output = run(project, slots=2)
    assert outcomes(project) == {
        "test_a": ("PASS", None),
        "test_leaves": ("FAIL", "guest-lost"),
        "test_interrupts": ("FAIL", "guest-lost"),
        **{f"test_fine[{n}]": ("PASS", None) for n in range(4)},
    }, output
    assert code == 1
    assert "the test ended the worker's session" in output
    assert events(project, "problem") == []


def test_a_worker_whose_pytest_breaks_is_replaced(project):
    conftest = project / "suite" / "conftest.py"
    conftest.write_text(
        CONFTEST
        + """
def pytest_runtest_teardown(item):
    if item.name == "test_breaks":
        raise SystemError("no such thing") from None
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    if item.name == "test_breaks":
        raise SystemError("pytest itself is broken")
    return (yield)
"""
    )
    write(
        project,
        """
@requirement("ISO-04")
def test_breaks(): pass
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(4))
def test_fine(n): pass
""",
    )
    code, output = run(project, slots=2)
    assert outcomes(project) == {
        "test_breaks": ("FAIL", "guest-lost"),
        **{f"test_fine[{n}]": ("PASS", None) for n in range(4)},
    }, output
    assert code == 1
    assert "pytest broke in the worker" in output


def test_a_test_that_was_hit_by_the_end_of_the_one_before_runs_again(project):
    """The inquest takes a while; a test that comes to its end meanwhile takes nobody with it."""
    write(
        project,
        """
@requirement("ISO-02")
def test_slow(): time.sleep(2.5)
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(3))
def test_fine(n): time.sleep(0.2)
""",
    )
    code, output = run(project, deadline=2, inquest_seconds=1.5)
    assert outcomes(project) == {
        "test_slow": ("PASS", None),
        **{f"test_fine[{n}]": ("PASS", None) for n in range(3)},
    }, output
    assert code == 0, output


def test_the_last_test_killing_its_guest_boots_no_other(project):
    write(project, '@requirement("ISO-02")\ndef test_a(): os._exit(1)\n')
    code, output = run(project)
    assert outcomes(project) == {"test_a": ("FAIL", "guest-lost")}, output
    assert code == 1
    assert len([event for event in events(project, "guest") if event["state"] == "up"]) == 1


def test_guests_lost_too_often_leave_a_partial_report(project):
    write(
        project,
        """
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(8))
def test_dies(n): os._exit(1)
""",
    )
    code, output = run(project)
    found = outcomes(project)
    assert set(found.values()) == {("FAIL", "guest-lost")}
    assert len(found) == 5
    assert code == 1, "a deviation that was seen is final"
    assert "guests were lost too often" in output
    assert "5 failed" in output
    assert "3 missed" in output


def test_a_guest_that_cannot_be_replaced_leaves_the_work_to_the_others(project):
    # The wrapper starts each slot once, then fails.
    wrapper = project / "python-once"
    wrapper.write_text(
        f'#!/bin/sh\nmkdir "{project}/run/used-$1" || exit 1\nshift\nexec "{sys.executable}" "$@"\n'
    )
    wrapper.chmod(0o755)
    write(
        project,
        """
@requirement("ISO-02")
def test_dies(): os._exit(1)
@requirement("ISO-02")
@pytest.mark.parametrize("n", range(6))
def test_fine(n): time.sleep(0.05)
""",
    )
    specs = [f"popen//python={wrapper} {slot}//env:PNODE_SLOT={slot}" for slot in (0, 1)]
    tx = [word for spec in specs for word in ("--tx", spec)]
    code, output = run(project, *tx, slots=0)
    assert outcomes(project) == {
        "test_dies": ("FAIL", "guest-lost"),
        **{f"test_fine[{n}]": ("PASS", None) for n in range(6)},
    }, output
    assert code == 1
    assert re.search(r"guest slot[01] could not be replaced", output)  # whichever the test met
    assert "Traceback" not in output


def test_when_no_guest_is_left_the_rest_is_missed(project):
    wrapper = project / "python-once"
    wrapper.write_text(f'#!/bin/sh\nmkdir "{project}/run/used" || exit 1\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    write(
        project,
        """
@requirement("DSC-12")
def test_dies(): os._exit(1)
@requirement("ISO-02")
def test_b(): pass
@requirement("ISO-02")
def test_c(): pass
""",
    )
    code, output = run(project, "--tx", f"popen//python={wrapper}//env:PNODE_SLOT=0", slots=0)
    assert outcomes(project) == {"test_dies": ("FAIL", "guest-lost")}, output
    assert code == 3, "only a should requirement deviates, and two tests are missing"
    assert "no guest is left" in output
    assert "2 missed" in output


def test_interrupt_gives_a_partial_report(project):
    write(
        project,
        """
@requirement("ISO-02")
def test_a(): pass
@requirement("ISO-02")
def test_b(): time.sleep(30)
@requirement("ISO-02")
def test_c(): pass
""",
    )
    process = start(project)
    wait_for(project, lambda: len(events(project, "test-start")) == 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 3, output
    assert outcomes(project) == {"test_a": ("PASS", None)}
    assert output.count("interrupted; tests without a result") == 2  # when it happens, and in the summary
    assert "test_b: started, but the run ended before its result" in output
    assert "test_it.py: 1 never started" in output
    assert "Traceback" not in output


def test_a_killed_runner_leaves_what_was_done(project):
    write(
        project,
        """
@requirement("ISO-02")
def test_a(): pass
@requirement("ISO-04")
def test_b(): time.sleep(5)
""",
    )
    process = start(project)
    wait_for(project, lambda: len(events(project, "test-start")) == 2)
    process.kill()
    process.communicate(timeout=30)
    assert outcomes(project) == {"test_a": ("PASS", None)}


def wait_for(project, condition):
    deadline = time.monotonic() + 20
    while not ((project / "run" / "results.jsonl").exists() and condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("here", [False, True], ids=["workers", "here"])
def test_a_test_file_that_cannot_be_imported_is_one_line(project, here):
    write(project, "def test_a(): pass\n")
    write(project, "import nothere\ndef test_b(): pass\n", "test_broken.py")
    code, output = run(project, here=here, slots=2)
    assert code == 2, output
    assert "test_broken.py: ModuleNotFoundError: No module named 'nothere'" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("here", [False, True], ids=["workers", "here"])
def test_a_usage_error_at_collection_is_one_line(project, here):
    conftest = project / "suite" / "conftest.py"
    conftest.write_text(CONFTEST + '    raise pytest.UsageError("ISO-99 is not in the catalogue")\n')
    write(project, "def test_a(): pass\n")
    code, output = run(project, here=here, slots=2)
    assert code == 2, output
    assert "ISO-99 is not in the catalogue" in output
    assert "Traceback" not in output


def test_a_full_disk_under_pytests_own_output_does_not_end_the_run(project):
    (project / "run" / "pytest-fast.log").symlink_to("/dev/full")
    write(project, '@requirement("ISO-02")\ndef test_a(): assert 0, "x" * 100000\n')
    code, output = run(project)
    assert outcomes(project) == {"test_a": ("FAIL", "assertion")}, output
    assert code == 1
    assert "pytest broke" not in output


def test_no_test_selected(project):
    write(project, "def test_a(): pass\n")
    code, output = run(project, "-k", "nothing")
    assert code == 2, output
    assert "no test was selected" in output


def test_a_hang_in_this_process_is_reported_and_interrupted(project):
    write(
        project,
        """
@requirement("ISO-02")
def test_a(): time.sleep(60)
@requirement("ISO-02")
def test_b(): pass
""",
    )
    code, output = run(project, here=True, deadline=1)
    assert outcomes(project) == {"test_a": ("FAIL", "test-hang")}, output
    assert code == 1
    assert "1 missed" in output


def test_a_hang_that_no_signal_ends_is_reported_before_the_process_goes(project):
    write(
        project,
        """
@requirement("ISO-02")
def test_a():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    time.sleep(60)
""",
    )
    code, output = run(project, here=True, deadline=1, grace=1)
    assert outcomes(project) == {"test_a": ("FAIL", "test-hang")}, output
    assert code == 1
    assert "the main thread does not react" in output
    assert (project / "run" / "junit.xml").exists()


def test_a_worker_that_hangs_while_it_collects_does_not_hang_the_run(project):
    write(project, "time.sleep(60)\ndef test_a(): pass\n")
    code, output = run(project, deadline=5, silence=2, grace=2)
    assert code in (2, 3), output
    assert "nothing happened for a long time" in output


@pytest.mark.parametrize("here", [False, True], ids=["workers", "here"])
def test_a_result_that_changes_between_rounds_is_flaky(project, here):
    write(
        project,
        """
RUN = Path(os.environ["RUN_DIR"])
@requirement("ISO-02")
@pytest.mark.parametrize("n", [1, 2])
def test_steady(n, request):
    assert [mark.args for mark in request.node.iter_markers("requirement")] == [("ISO-02",)]
@requirement("ISO-04")
def test_by_chance():
    try:
        (RUN / "once").mkdir()
    except FileExistsError:
        return
    assert False, "only the first time"
""",
    )
    code, output = run(project, "-p", "fixtures.repeat", "--repeat=3", "--seed=5", slots=2, here=here)
    assert code == 1
    assert len(events(project, "test")) == 9
    assert "FLAKY fast test_it.py::test_by_chance (must, assertion)" in output, output
    assert "results differ in 3 rounds: 2 PASS, 1 FAIL" in output
    assert "3 rounds, in the same order: 1 of 3 tests changed their result" in output
    assert "2 passed, 0 failed, 0 skipped, 1 flaky in " in output
    junit = (project / "run" / "junit.xml").read_text()
    assert 'type="flaky"' in junit
    assert junit.count("<testcase ") == 3
