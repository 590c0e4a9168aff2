# SPDX-License-Identifier: GPL-2.0-only
"""The kselftest: its exit status, and what the kernel's own runner and parsers make of its output."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bots.tests.conftest import BOTS, DEVIATES, KNOWN, PASSES, SKIPS, Played, program
from tools.report.readers import kunit
from tools.report.readers.reader import NotThere
from tools.report.readers.tap import TapReader

SCRIPT = "kselftest/private_nodes.sh"
RSYNC = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec cp -RL "$@"\n'
NO_NODES = "pnode: kernel 6.1.0 has no private memory nodes (no /sys/has_private_memory, nor a later form)"
BARE = (
    "pnode: no private node on this machine (has_private_memory is empty); have its driver make one, or ..."
)
NOT_ROOT = "pnode: --here needs root: it loads a module and plugs memory"
OTHER = "pnode: kernel 6.30 speaks dialect v9, which is not certified yet; this suite certifies v4"


def source() -> Path:
    try:
        return kunit.find()
    except NotThere as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("ended", "tap", "says", "status", "last"),
    [
        (0, PASSES, "", 0, "ok 1 fast.ISO"),
        (0, SKIPS, "", 4, "ok 1 fast.ISO"),
        (1, DEVIATES, "", 1, DEVIATES.splitlines()[-1]),
        (1, KNOWN, "", 1, KNOWN.splitlines()[-1]),
        (3, PASSES, "", 1, "ok 1 fast.ISO"),
        (2, None, NO_NODES, 4, "1..0 # SKIP this kernel has no private memory nodes"),
        (2, None, BARE, 4, "1..0 # SKIP this machine has no private node; --dax gives it one"),
        (2, None, NOT_ROOT, 4, "1..0 # SKIP needs root"),
        (2, None, OTHER, 1, f"Bail out! {OTHER.removeprefix('pnode: ')}"),
        (2, None, "pnode: no kernel", 1, "Bail out! no kernel"),
        (70, None, "", 1, "Bail out! the suite ended with status 70"),
        (1, None, "", 1, "Bail out! the run ended with status 1 and left no results.tap"),
    ],
)
def test_each_end_of_a_run_is_one_of_a_kselftest(
    played: Played, ended: int, tap: str | None, says: str, status: int, last: str
) -> None:
    played.suite(ended, tap, says)
    done = played(SCRIPT, "--topology", "fast")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0], lines[-1]) == (status, "TAP version 13", last)
    assert played.told == ["run", "--output", f"{played.directory}/pnode-selftests", "--topology", "fast"]
    assert done.stderr == "", "the runner would mix it into the results"


def test_without_a_suite_it_fails(played: Played) -> None:
    done = played(SCRIPT)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("Bail out! no suite at ")


@pytest.mark.parametrize("tap", [PASSES, DEVIATES, KNOWN])
def test_readers_see_the_results_of_the_run(played: Played, tmp_path: Path, tap: str) -> None:
    played.suite(1, tap)
    done = played(SCRIPT, "--topology", "fast")
    (tmp_path / "ours").write_text(tap)
    (tmp_path / "theirs").write_text(done.stdout)
    wanted, seen = TapReader().read(tmp_path / "ours"), TapReader().read(tmp_path / "theirs")
    assert (seen.tests, seen.groups) == (wanted.tests, wanted.groups)


def test_kunits_parser_sees_the_groups(played: Played, tmp_path: Path) -> None:
    tree = source()
    played.suite(1, DEVIATES)
    path = tmp_path / "out"
    path.write_text(played(SCRIPT, "--topology", "fast").stdout)
    argv = [sys.executable, "-I", "-B", kunit._CHILD, tree / "tools/testing/kunit", path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    seen = {test["name"]: test["status"] for test in json.loads(done.stdout)["tests"]}
    results = [line.split() for line in DEVIATES.splitlines() if line.startswith(("ok", "not ok"))]
    assert seen == {
        words[2 if words[0] == "ok" else 3]: "SUCCESS" if words[0] == "ok" else "FAILURE" for words in results
    }


def installed(directory: Path, tree: Path) -> Path:
    """A kselftest_install with this test, as `make install` leaves it."""
    selftests = tree / "tools/testing/selftests"
    shutil.copytree(selftests / "kselftest", directory / "kselftest")
    shutil.copy(selftests / "run_kselftest.sh", directory)
    shutil.copytree(BOTS / "kselftest", directory / "private_nodes")
    (directory / "kselftest-list.txt").write_text("private_nodes:private_nodes.sh\n")
    return directory / "run_kselftest.sh"


@pytest.mark.parametrize(
    ("ended", "tap", "says", "last"),
    [
        (0, PASSES, "", "ok 1 selftests: private_nodes: private_nodes.sh"),
        (2, None, NO_NODES, "ok 1 selftests: private_nodes: private_nodes.sh # SKIP"),
        (1, DEVIATES, "", "not ok 1 selftests: private_nodes: private_nodes.sh # exit=1"),
    ],
)
def test_the_kernels_runner(
    played: Played, tmp_path: Path, ended: int, tap: str, says: str, last: str
) -> None:
    runner = installed(tmp_path / "install", source())
    suite = played.suite(ended, tap, says)
    env = {**os.environ, "PNODE": str(suite), "KSELFTEST_PRIVATE_NODES_SH_ARGS": "--topology fast"}
    done = subprocess.run([runner], env=env, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert lines[-1] == last
    assert "# timeout set to 0" in lines, "the kernel's 45 seconds are not for a whole suite"
    inner = [line.removeprefix("# ") for line in lines]
    assert tap is None or set(tap.splitlines()) <= set(inner)
    assert played.told[-2:] == ["--topology", "fast"]


def test_make_install_takes_it(tmp_path: Path) -> None:
    """In a copy of what kselftest's Makefile needs of a kernel tree."""
    tree = source()
    selftests = tmp_path / "linux/tools/testing/selftests"
    selftests.mkdir(parents=True)
    for name in ("scripts", "tools/scripts", "tools/build"):
        (tmp_path / "linux" / name).symlink_to(tree / name)
    for name in ("Makefile", "lib.mk", "run_kselftest.sh", "kselftest", "kselftest_deps.sh"):
        (selftests / name).symlink_to(tree / "tools/testing/selftests" / name)
    shutil.copytree(BOTS / "kselftest", selftests / "private_nodes")
    argv = ["make", "-C", selftests, "TARGETS=private_nodes", f"INSTALL_PATH={tmp_path / 'to'}", "install"]
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin/rsync", RSYNC)  # not every machine has the one that lib.mk copies with
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env["PATH"] = f"{tmp_path / 'bin'}:{env['PATH']}"
    done = subprocess.run([*map(str, argv)], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "to/kselftest-list.txt").read_text() == "private_nodes:private_nodes.sh\n"
    names = {path.name for path in (tmp_path / "to/private_nodes").iterdir()}
    assert {"private_nodes.sh", "settings", "config"} <= names
