# SPDX-License-Identifier: GPL-2.0-only
"""The cache key follows the input, and nothing else."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import config, recipe

PLAN = recipe.Recipe("linux-source-6.12", {"LOCALVERSION": "-pnode"}, (".config",), 10, 1)


@pytest.fixture
def patches(tmp_path: Path) -> list[Path]:
    for number, text in ((1, "one"), (2, "two")):
        (tmp_path / f"{number:04}-{text}.patch").write_text(text)
    return recipe.patches(tmp_path)


def key(
    patches: Sequence[Path],
    source: str = "6.12.117-1",
    options: Mapping[str, str] | None = None,
    cc: str = "gcc 12",
    plan: recipe.Recipe = PLAN,
) -> str:
    return recipe.kernel_hash(source, patches, options or {"NUMA": "y", "SMP": "y"}, cc, plan)


def test_hash_is_stable(patches: list[Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "copy"
    elsewhere.mkdir()
    for path in patches:
        (elsewhere / path.name).write_bytes(path.read_bytes())
    assert key(patches) == key(recipe.patches(elsewhere))
    assert key(patches) == key(patches, options={"SMP": "y", "NUMA": "y"})
    assert len(key(patches)) == recipe.HASH_DIGITS


def test_comments_of_the_fragment_do_not_enter(patches: list[Path]) -> None:
    plain = config.parse("CONFIG_NUMA=y\n", "f")
    commented = config.parse("# why\nCONFIG_NUMA=y\t# the subject\n", "f")
    assert key(patches, options=plain) == key(patches, options=commented)


def test_estimates_do_not_enter(patches: list[Path]) -> None:
    assert key(patches) == key(patches, plan=dataclasses.replace(PLAN, steps=99, disk_gib=99))


def test_every_input_enters(patches: list[Path]) -> None:
    first = key(patches)
    others = {
        key(patches[:1]),
        key(patches[::-1]),
        key(patches, source="6.12.118-1"),
        key(patches, options={"NUMA": "n", "SMP": "y"}),
        key(patches, cc="gcc 13"),
        key(patches, plan=dataclasses.replace(PLAN, make={"LOCALVERSION": "-x"})),
    }
    patches[0].write_text("changed")
    others.add(key(patches))
    assert len(others) == 7
    assert first not in others


def test_two_patches_of_one_number(tmp_path: Path) -> None:
    for name in ("0001-a.patch", "0001-b.patch"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="two patches of number 0001"):
        recipe.patches(tmp_path)


def test_only_numbered_patches_count(tmp_path: Path) -> None:
    for name in ("0002-b.patch", "0001-a.patch", "notes.patch", "0003-c.patch.orig"):
        (tmp_path / name).touch()
    assert [path.name for path in recipe.patches(tmp_path)] == ["0001-a.patch", "0002-b.patch"]


def test_own_recipe_loads() -> None:
    plan = recipe.load("-pnode-debug")
    assert plan.make["LOCALVERSION"] == "-pnode-debug"
    assert plan.package == "linux-source-6.12"
    assert "Module.symvers" in plan.keep
