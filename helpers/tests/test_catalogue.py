# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue reader refuses what would silently lose an expectation, and says where it is."""

from pathlib import Path

import pytest

from helpers import catalogue

GOOD = """
[ISO-02]
level = "must"
statement = "Nothing is taken."
source = "v4 03/27"
[ISO-02.expect]
v4 = "NULL"
d2 = "NULL too"
"""


def write(directory: Path, text: str, name: str = "iso.toml") -> Path:
    (directory / name).write_text(text)
    return directory


def test_reads_a_requirement(tmp_path: Path) -> None:
    row = catalogue.load(write(tmp_path, GOOD))["ISO-02"]
    assert (row.id, row.chapter, row.level, row.statement) == ("ISO-02", "ISO", "must", "Nothing is taken.")
    assert (row.expected("v4"), row.expected("d2"), row.expected("c1")) == ("NULL", "NULL too", None)


def test_hash_follows_the_wording(tmp_path: Path) -> None:
    before = catalogue.load(write(tmp_path, GOOD)).hash
    assert catalogue.load(write(tmp_path, GOOD)).hash == before
    assert catalogue.load(write(tmp_path, GOOD.replace("Nothing", "Little"))).hash != before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("level =", "lvl ="), r"iso.toml: \[ISO-02\] unknown key 'lvl'"),
        (('level = "must"', ""), r"\[ISO-02\] lacks 'level'"),
        (('"must"', '"may"'), "level is 'may'"),
        (('"Nothing is taken."', '" "'), "'statement' must be a non-empty text"),
        (("v4 =", "v3 ="), "unknown dialect 'v3'"),
        (('v4 = "NULL"', ""), "expect lacks the dialect 'v4'"),
        (('v4 = "NULL"', "v4 = 0"), "expect.v4 must be a non-empty text"),
        (("level =", "no_fault = 3\nlevel ="), "'no_fault' must be a non-empty text"),
        (("ISO-02", "ISO-2"), r"\[ISO-2\] is no requirement id"),
        (("ISO-02", "HPL-02"), "belongs into hpl.toml"),
        (("ISO-02", "ISO-02aa"), "is no requirement id"),
        (("[ISO-02]", "[ISO-02"), "iso.toml: "),
        (("ISO-02", '"ISO-02\\n"'), "is no requirement id"),
    ],
)
def test_names_file_and_key_of_an_error(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(catalogue.CatalogueError, match=complaint):
        catalogue.load(write(tmp_path, GOOD.replace(*change)))


def test_wants_chapter_file_names_and_at_least_one(tmp_path: Path) -> None:
    with pytest.raises(catalogue.CatalogueError, match="no catalogue files"):
        catalogue.load(tmp_path)
    with pytest.raises(catalogue.CatalogueError, match="three lower-case letters"):
        catalogue.load(write(tmp_path, GOOD, "isolation.toml"))


@pytest.mark.parametrize(
    ("selector", "identifier", "covered"),
    [
        ("ISO-02", "ISO-02", True),
        ("ISO-02", "ISO-02a", True),
        ("ISO-02a", "ISO-02", False),
        ("ISO-02a", "ISO-02b", False),
        ("ISO-02a", "ISO-02a", True),
        ("iso-02", "ISO-02", True),
        ("iso-02a", "ISO-02a", True),
        ("ISO", "ISO-02", True),
        ("iso", "ISO-02", True),
        ("HPL", "ISO-02", False),
        ("ISO-0", "ISO-02", False),
    ],
)
def test_selectors(selector: str, identifier: str, covered: bool) -> None:
    assert catalogue.matches(selector, identifier) is covered


def test_the_real_catalogue_is_sound() -> None:
    found = catalogue.load()
    assert set(found.chapters) >= {"DSC", "ZNL"}
    assert found.select("DSC") == [name for name in found if name.startswith("DSC")]
