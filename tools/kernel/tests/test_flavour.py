# SPDX-License-Identifier: GPL-2.0-only
"""Flavours: data that has to be whole, and options whose last word counts."""

from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import config, flavour

ROW = """
[{name}]
summary = "x"
fragments = {fragments}
localversion = "-x"
boot = ["a=1"]
boot_on_cxl = ["b=2"]
more_memory = "{memory}"
patience = 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(flavour, "FOLDER", tmp_path)
    (tmp_path / "a.config").write_text("CONFIG_A=y\n# CONFIG_B is not set\n")
    (tmp_path / "b.config").write_text("CONFIG_B=y\nCONFIG_C=m\n")
    row = ROW.format(name="odd", fragments='["a.config", "b.config"]', memory="384M")
    (tmp_path / flavour.FILE).write_text(row)
    return tmp_path


def test_the_last_fragment_wins(folder: Path) -> None:
    odd = flavour.load("odd")
    assert odd.options() == {"A": "y", "B": "y", "C": "m"}
    assert (odd.more_memory, odd.patience) == (384 << 20, 2.0)
    assert odd.boot_arguments(cxl=False) == ("a=1",)
    assert odd.boot_arguments(cxl=True) == ("a=1", "b=2")


def test_what_there_is_not(folder: Path) -> None:
    with pytest.raises(UserError, match="unknown flavour 'reference'; there are: odd"):
        flavour.load()
    (folder / flavour.FILE).write_text(ROW.format(name="odd", fragments="[]", memory="lots"))
    with pytest.raises(UserError, match=r"\[odd\] more_memory is no size"):
        flavour.load("odd")


@pytest.mark.parametrize("name", flavour.names())
def test_own_flavours_are_whole(name: str) -> None:
    own = flavour.load(name)
    assert own.patience >= 1
    assert own.options()["NUMA"] == "y"


def test_debug_only_adds_to_the_reference() -> None:
    base, debug = flavour.load().options(), flavour.load("debug").options()
    assert {name: value for name, value in debug.items() if name in base} == base
    assert debug["KASAN"] == debug["PROVE_LOCKING"] == debug["DEBUG_KMEMLEAK"] == "y"


def test_the_default_has_no_wishes() -> None:
    own = flavour.load()
    assert (own.boot, own.boot_on_cxl, own.more_memory, own.patience) == ((), (), 0, 1.0)
    assert own.localversion == "-pnode"


def test_every_option_of_the_debug_fragment_says_why() -> None:
    text = (flavour.FOLDER / "debug.config").read_text()
    options = config.parse(text, "debug.config")
    lines = [line for line in text.splitlines() if "CONFIG_" in line]
    assert len(lines) == len(options)
    assert [line for line in lines if "\t# " not in line] == []
