# SPDX-License-Identifier: GPL-2.0-only
"""The suite's version: the same for the same files, another for others."""

import os
from pathlib import Path

import pytest

from tools.bisect.tests.conftest import git
from tools.certificate.evidence import clean
from tools.cli.version import suite_version


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite with one commit."""
    root = tmp_path / "suite"
    for name in ("selftests", "fixtures", "helpers", "tools"):
        (root / name).mkdir(parents=True)
        (root / name / "a.py").write_text("1\n")
    (root / "pyproject.toml").write_text('[project]\nversion = "0.1.0"\n')
    (root / ".gitignore").write_text("*.o\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_tree_is_its_commit(suite: Path) -> None:
    commit = git(suite, "describe", "--always")
    assert suite_version(suite) == f"0.1.0+{commit}"
    assert clean(suite_version(suite))


def test_two_changes_of_one_file_are_two_suites(suite: Path) -> None:
    before = suite_version(suite)
    (suite / "selftests/a.py").write_text("2\n")
    one = suite_version(suite)
    assert one.startswith(f"{before}-dirty-")
    assert not clean(one)
    assert suite_version(suite) == one
    git(suite, "add", ".")
    assert suite_version(suite) == one  # whether git is told of it is no difference
    (suite / "selftests/a.py").write_text("3\n")
    assert suite_version(suite) not in (before, one)
    (suite / "selftests/a.py").write_text("1\n")
    assert suite_version(suite) == before


@pytest.mark.parametrize(
    "name", ["selftests/x/test_new.py", "fixtures/b.py", "helpers/b.py", "tools/b", "conftest.py"]
)
def test_a_new_file_of_the_suite_counts(suite: Path, name: str) -> None:
    """Guests get what is there, whether git knows it or not."""
    before = suite_version(suite)
    (suite / name).parent.mkdir(exist_ok=True)
    (suite / name).write_text("1\n")
    one = suite_version(suite)
    assert one.startswith(f"{before}-dirty-")
    (suite / name).write_text("2\n")
    assert suite_version(suite) not in (before, one)


def test_what_is_no_part_of_the_suite_does_not(suite: Path) -> None:
    before = suite_version(suite)
    (suite / "notes.txt").write_text("x")
    (suite / "helpers/a.o").write_text("x")
    (suite / "runs").mkdir()
    (suite / "runs/results.jsonl").write_text("x")
    os.utime(suite / "selftests/a.py", (1, 1))
    assert suite_version(suite) == before


def test_deleted_moved_and_made_executable(suite: Path) -> None:
    found = {suite_version(suite)}
    (suite / "helpers/a.py").chmod(0o755)
    found.add(suite_version(suite))
    (suite / "helpers/a.py").rename(suite / "helpers/b.py")
    found.add(suite_version(suite))
    (suite / "helpers/b.py").unlink()
    found.add(suite_version(suite))
    (suite / "helpers/a.py").symlink_to("elsewhere")
    found.add(suite_version(suite))
    assert len(found) == 5


def test_without_git_it_is_the_project(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert suite_version(suite) == "0.1.0"
    assert not clean("0.1.0")


def test_a_hook_of_another_repository_does_not_mislead(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = suite_version(suite)
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert suite_version(suite) == before
