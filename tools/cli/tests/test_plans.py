# SPDX-License-Identifier: GPL-2.0-only
"""Plans that are kept: what they belong to, and that a broken one is none."""

import os
from pathlib import Path

import pytest

from tools.cli import collect, plans


@pytest.fixture(autouse=True)
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite of one file, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(plans, "ROOT", tmp_path)
    for name in ("conftest.py", "pyproject.toml", "tools/cli/collector.py", "selftests/test_one.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def test_what_a_plan_belongs_to(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plans.key(["-k", "x"], {"PNODE_TOPOLOGY": "fast"})
    assert plans.key(["-k", "x"], {"PNODE_TOPOLOGY": "fast"}) == first
    others = {plans.key(["-k", "y"], {"PNODE_TOPOLOGY": "fast"}), plans.key(["-k", "x"], {})}
    monkeypatch.setenv("PYTEST_ADDOPTS", "--foreign")
    others.add(plans.key(["-k", "x"], {"PNODE_TOPOLOGY": "fast"}))
    monkeypatch.delenv("PYTEST_ADDOPTS")
    (suite / "selftests/test_one.py").write_text("def test_x(): pass\n")
    others.add(plans.key(["-k", "x"], {"PNODE_TOPOLOGY": "fast"}))
    assert len(others | {first}) == 5


def test_pytest_is_asked_once(monkeypatch: pytest.MonkeyPatch, suite: Path) -> None:
    asked: list[int] = []

    def ask(*_: object) -> list[dict[str, object]]:
        asked.append(1)
        return [{"nodeid": "selftests/test_one.py::test_x", "requirements": ["ISO-01"], "skipped": None}]

    monkeypatch.setattr(collect, "_ask_pytest", ask)
    found = [collect.collect_tests() for _ in range(2)]
    assert found[0] == found[1] == [collect.Collected("selftests/test_one.py::test_x", ("ISO-01",))]
    assert len(asked) == 1
    (suite / "selftests/test_two.py").write_text("")
    collect.collect_tests()
    assert len(asked) == 2


def test_a_broken_plan_is_none(suite: Path) -> None:
    plans.keep("abc", [1])
    assert plans.recall("abc") == [1]
    (suite / "cache/pnode-selftests/plans/abc.json").write_text("[1")
    assert plans.recall("abc") is None
    assert plans.recall("def") is None


def test_those_used_last_are_kept(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "KEEP", 2)
    for age, name in enumerate(("old", "older")):
        plans.keep(name, [])
        os.utime(suite / f"cache/pnode-selftests/plans/{name}.json", (100 - age, 100 - age))
    plans.keep("new", [])
    assert [plans.recall(name) for name in ("new", "old", "older")] == [[], [], None]
