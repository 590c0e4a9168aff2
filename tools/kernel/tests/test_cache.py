# SPDX-License-Identifier: GPL-2.0-only
"""Kernels in the cache: only whole ones count."""

import json
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import build, cache
from tools.progress import Silent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache.home()


def kernel(name: str, built: str = "2026-02-22T00:00:00+00:00") -> Path:
    directory = cache.home() / name
    (directory / "linux/build").mkdir(parents=True)
    (directory / "bzImage").touch()
    meta = cache.Meta(name, "6.12.1-pnode", "6.12.1-1", "gcc", [], "0", "0", built, 1.0, 7)
    cache.write_meta(directory, meta)
    return directory


def test_found_by_hash() -> None:
    kernel("abcd")
    found = cache.find("abcd")
    assert found is not None
    assert found.release == "6.12.1-pnode"
    assert found.image.is_file()
    assert cache.find("abce") is None


@pytest.mark.parametrize("lost", ["bzImage", "meta.json"])
def test_incomplete_kernel_is_none(lost: str) -> None:
    (kernel("abcd") / lost).unlink()
    assert cache.find("abcd") is None
    assert cache.kernels() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"hash": "abcd"}'])
def test_damaged_meta_is_none(text: str) -> None:
    (kernel("abcd") / "meta.json").write_text(text)
    assert cache.find("abcd") is None


def test_newest_first() -> None:
    kernel("old", "2026-01-01T00:00:00+00:00")
    kernel("new", "2026-03-01T00:00:00+00:00")
    assert [found.hash for found in cache.kernels()] == ["new", "old"]


def test_removal() -> None:
    kernel("abc1")
    kernel("abc2")
    with pytest.raises(UserError, match="beginning of 2 kernels"):
        cache.remove("abc")
    cache.remove("abc1")
    assert [found.hash for found in cache.kernels()] == ["abc2"]
    for name in ("abc1", "", ".."):
        with pytest.raises(UserError, match="no kernel"):
            cache.remove(name)


def test_kernel_in_use_stays() -> None:
    """Locks belong to descriptors, so that one process can play both."""
    kernel("abc1")
    found = cache.find("abc1")
    assert found is not None
    assert cache.hold(found)
    assert cache.hold(found), "by any number of users"
    with pytest.raises(UserError, match="abc1 is in use"):
        cache.remove("abc1")
    assert cache.find("abc1") == found


def test_removed_kernel_cannot_be_held() -> None:
    kernel("abc1")
    found = cache.find("abc1")
    assert found is not None
    cache.remove("abc1")
    assert not cache.hold(found)


def test_leftovers_go(home: Path) -> None:
    kernel("abcd")
    for name in (".building-ef01", ".removing-2345"):
        (home / name / "linux").mkdir(parents=True)
    cache.clean_leftovers()
    assert [path.name for path in home.iterdir()] == ["abcd"]


def test_lock_is_released_after_an_error() -> None:
    with pytest.raises(UserError), cache.locked(Silent()):
        raise UserError("broken")
    with cache.locked(Silent()):
        pass


def test_trim_keeps_what_is_named(tmp_path: Path) -> None:
    output = tmp_path / "build"
    (output / "include/generated").mkdir(parents=True)
    (output / "include/generated/utsrelease.h").touch()
    (output / "tools/objtool").mkdir(parents=True)
    (output / "tools/objtool/objtool").touch()
    (output / "tools/objtool/objtool.o").touch()
    (output / "mm").mkdir()
    (output / "source").symlink_to("..")
    build.trim(output, ["include", "tools/objtool/objtool", "source", "absent"])
    left = sorted(str(path.relative_to(output)) for path in output.rglob("*"))
    assert left == [
        "include",
        "include/generated",
        "include/generated/utsrelease.h",
        "source",
        "tools",
        "tools/objtool",
        "tools/objtool/objtool",
    ]


def test_no_space_is_told_before_the_build(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"needs 999999 GiB in {tmp_path}"):
        build.require_space(tmp_path, 999999)


def test_meta_is_plain_json() -> None:
    data = json.loads((kernel("abcd") / "meta.json").read_text())
    assert data["steps"] == 7
