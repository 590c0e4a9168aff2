# SPDX-License-Identifier: GPL-2.0-only
"""Tests that the host has named, collected one file at a time, and what a guest is spared: real sessions with
real workers, no guest."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.guest.layers import INSIDE
from tools.paths import ROOT

CONFTEST = """
import os, pytest
from tools.guest.told import Told

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Told(pnode_tests=os.environ["IDS"].split()))

def pytest_runtest_logreport(report):
    assert not report.keywords or "PYTEST_XDIST_WORKER" in os.environ

@pytest.fixture(scope="module", params=["p", "q"])
def both(request): return request.param
"""
NESTED = """
import pytest
made = []

@pytest.fixture(scope="package")
def once():
    made.append(1)
    return len(made)

def pytest_collection_modifyitems(items):
    for item in items: item.user_properties.append(("seen", item.name))

def pytest_runtest_setup(item):
    item.user_properties.append(("here", "a"))
"""
FILES = {
    "conftest.py": CONFTEST,
    "a/conftest.py": NESTED,
    "a/test_one.py": "def test_x(once): assert once == 1\ndef test_y(both, once): assert once == 1\n",
    "a/test_two.py": "class TestC:\n    def test_z(self, once): assert once == 1\n",
    "b/test_broken.py": "import nothing_of_this_name\ndef test_b(): pass\n",
    "b/test_hooks.py": "def test_h(request): assert ('here', 'a') not in request.node.user_properties\n",
    "a/test_hooks.py": "def test_h(request): assert ('here', 'a') in request.node.user_properties\n",
    "b/test_unasked.py": "open(__file__ + '.imported', 'w').close()\ndef test_u(): pass\n",
    "b/test_leaves.py": (
        "import sys, weakref\nclass Cycle: pass\n"
        "def test_l():\n    one = Cycle(); one.itself = one; sys.left = weakref.ref(one)\n"
    ),
    "b/test_left.py": "import gc, sys\ndef test_n():\n    gc.collect()\n    assert sys.left() is None\n",
}


def run(folder: Path, *ids: str, words: tuple[str, ...] = ()) -> dict[str, str]:
    """Outcomes by id, of a session with one worker."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "pytest.ini").write_text(
        "[pytest]\ntestpaths = .\naddopts = -p no:cacheprovider --import-mode=importlib\n"
    )
    plugins = ["-p", "guest_collection", "-p", "guest_thrift", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n1", *plugins, "-rA", "--tb=short", *words],
        cwd=folder,
        env={"PYTHONPATH": f"{INSIDE}:{ROOT}", "PATH": "/usr/bin:/bin", "IDS": "\n".join(ids)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("PASSED", "FAILED", "ERROR"):
            found[rest.partition(" - ")[0]] = word + rest.partition(" - ")[1] + rest.partition(" - ")[2]
    return found


def test_each_is_run_as_if_all_had_been_collected(tmp_path: Path) -> None:
    ids = ["a/test_two.py::TestC::test_z", "a/test_one.py::test_y[q]", "a/test_one.py::test_x"]
    assert run(tmp_path, *ids) == dict.fromkeys(ids, "PASSED")


def test_also_where_pytest_is_given_the_files(tmp_path: Path) -> None:
    ids = ["a/test_two.py::TestC::test_z", "a/test_one.py::test_y[q]", "a/test_one.py::test_x"]
    found = run(tmp_path, *ids, words=("a/test_one.py", "a/test_two.py"))
    assert found == dict.fromkeys(ids, "PASSED")


def test_files_that_nobody_asks_for_are_not_imported(tmp_path: Path) -> None:
    assert run(tmp_path, "a/test_one.py::test_x") == {"a/test_one.py::test_x": "PASSED"}
    assert not (tmp_path / "b/test_unasked.py.imported").exists()


def test_hooks_of_a_folder_are_for_its_tests(tmp_path: Path) -> None:
    """Also when it has become known after another folder's first test."""
    ids = ["b/test_hooks.py::test_h", "a/test_hooks.py::test_h", "b/test_hooks.py::test_h"]
    assert run(tmp_path, *ids[:2]) == run(tmp_path, *ids[1:]) == dict.fromkeys(ids, "PASSED")


def test_what_a_test_leaves_is_not_kept(tmp_path: Path) -> None:
    """The file of the last one is collected when the first has run."""
    ids = ["b/test_leaves.py::test_l", "a/test_one.py::test_x", "b/test_left.py::test_n"]
    assert run(tmp_path, *ids) == dict.fromkeys(ids, "PASSED")


@pytest.mark.parametrize("wrong", ["a/test_one.py::test_no", "b/test_broken.py::test_b", "c/test_no.py::t"])
def test_what_is_not_there_is_an_error_of_that_test(tmp_path: Path, wrong: str) -> None:
    found = run(tmp_path, wrong, "a/test_one.py::test_x")
    assert found["a/test_one.py::test_x"] == "PASSED"
    assert found[wrong].startswith("ERROR - LookupError: ")


def test_packages_are_looked_for_once(tmp_path: Path) -> None:
    code = (
        "import guest_thrift, pathlib; from importlib import metadata as m\n"
        "before = [d.name for d in m.distributions()]\n"
        "wanted = {str(e) for d in m.distributions() for e in d.entry_points}\n"
        "guest_thrift.keep_distributions()\n"
        "assert [d.name for d in m.distributions()] == before and 'pytest' in before\n"
        "assert {str(e) for d in m.distributions() for e in d.entry_points} == wanted and wanted\n"
        "pathlib.Path.read_text = None\n"
        "assert {str(e) for d in m.distributions() for e in d.entry_points} == wanted\n"
        "assert not list(m.distributions(name='no-such-package'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{INSIDE}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
