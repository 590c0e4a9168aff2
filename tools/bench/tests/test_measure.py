# SPDX-License-Identifier: GPL-2.0-only
"""Which parts are measured, and what the command says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.bench import data, guest, measure, runner
from tools.bench.tests.test_timing import LEAST
from tools.cli import bench, session, subject
from tools.cli import main as cli
from tools.doctor import packages
from tools.errors import UserError


class Inside:
    """A guest that knows what it was asked."""

    accel = "tcg"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, module: str, name: str, **arguments: Any) -> Any:
        self.asked.append(f"{module}.{name}")
        if module == "resident":
            seconds = {"pagemap": [2.0], "numa_maps": [1.0]}
            return [{"bytes": size, "nodes": {"0": 1}, "seconds": seconds} for size in arguments["sizes"]]
        if module == "growth":
            return {"plug": {"1": [1.0], "2": [2.0]}}
        return []


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Inside:
    made = Inside()

    @contextmanager
    def booted(*_arguments: object) -> Iterator[Inside]:
        yield made

    monkeypatch.setattr(guest, "booted", booted)
    monkeypatch.setattr(packages, "require", lambda _names: None)
    kernel = SimpleNamespace(image=Path("bzImage"), release="6.12.0", module=lambda: Path("ko"), event=dict)
    monkeypatch.setattr(subject, "reference", lambda _flavour: kernel)
    return made


def run(*words: str) -> int:
    return cli.main(["bench", *words])


def test_only_the_part_that_was_asked_for(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--part", "residency") == 0
    assert set(inside.asked) == {"resident.measure"}
    assert len(inside.asked) == len(data.load().residency.sizes), "a line of progress for each"
    out = capsys.readouterr().out
    assert "256 MiB, numa_maps over pagemap" in out
    assert "0.50 x" in out


def test_a_document(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--part", "growth", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["rows"]] == [
        "plug with pages", "plug with memory blocks", "plug with private nodes"
    ]  # fmt: skip


def test_what_was_measured_is_told_when_the_rest_fails(
    inside: Inside, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(words: object, guests: int, **_options: object) -> runner.Ran:
        if guests > 1:
            raise UserError("bench: pnode run failed")
        return LEAST

    monkeypatch.setattr(runner, "run", broken)
    assert run("--part", "guests", "--part", "residency") == 2
    told = capsys.readouterr()
    assert "pnode run failed" in told.err
    for row in ("1 guest, plan to last result", "not measured: bench: pnode run failed", "1 MiB, pagemap"):
        assert row in told.out


def test_guests_that_do_not_fit_are_told(
    inside: Inside, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "default_guests", lambda _place, cores: min(len(cores), 1))
    monkeypatch.setattr(runner, "run", lambda *_arguments, **_options: LEAST)
    assert run("--part", "guests") == 0
    assert "4 guests" in (out := capsys.readouterr().out)
    assert "not measured: this machine has not the memory" in out


def test_parts_are_for_what_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path), "--part", "calls") == 2
    assert "--part is for" in capsys.readouterr().err


def test_all_parts_have_a_heading() -> None:
    assert {"tests", "pages", *measure.PARTS} == set(measure.HEADINGS)
    assert bench.measure is measure
