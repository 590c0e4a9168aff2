# SPDX-License-Identifier: GPL-2.0-only
"""Fragments, the superset check, and why an option was lost."""

from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import config, flavour, kconfig

# Indented as the kernel does it, help texts by a tab and two spaces.
# ruff: noqa: E101
KCONFIG = """\
mainmenu "Linux"
source "arch/$(SRCARCH)/Kconfig"
menu "Memory"
	depends on MMU
config HOTPLUG
	bool "Hotplug"
	depends on SPARSE && \\
		   64BIT
	help
	  Some text in which
	  config NOT_AN_OPTION
	  is no option.

	  depends on NOTHING
config HIDDEN
	bool
if SWAP
config ZSWAP
	tristate "zswap"
	select HIDDEN
	select TIED if HOTPLUG
endif
config TIED
	bool "Tied"
choice
	prompt "Page size"
config SMALL
	bool "small"
config LARGE
	bool "large"
endchoice
config SHIFT
	int "Shift"
	range 1 10
config OPEN
	bool "nobody asked"
endmenu
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "arch/x86").mkdir(parents=True)
    (tmp_path / "Kconfig").write_text(KCONFIG)
    (tmp_path / "arch/x86/Kconfig").write_text('config 64BIT\n\tbool "64 bit"\n')
    return tmp_path


def test_fragment_with_comments() -> None:
    text = '# head\nCONFIG_A=y\t\t# why\nCONFIG_S="a # b" # c\n\n# CONFIG_B is not set\nCONFIG_C=n # off\n'
    options = config.parse(text, "f")
    assert options == {"A": "y", "S": '"a # b"', "B": "n", "C": "n"}
    assert config.parse(config.plain_fragment(options), "again") == options


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CONFIG_A=y\nCONFIG_A=m\n", "f:2: CONFIG_A is set a second time"),
        ("CONFIG_A=y extra\n", "f:1: not a kernel option"),
        ("A=y\n", "f:1: not a kernel option"),
    ],
)
def test_bad_fragment_is_one_line(text: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        config.parse(text, "f")


def test_lost_compares_values_not_presence() -> None:
    assert config.lost({"A": "y", "B": "n", "C": "m"}, {"A": "y", "C": "y"}) == {"C": "y"}
    assert config.lost({"A": "y"}, {}) == {"A": "n"}
    assert config.lost({"B": "n"}, {"B": "m"}) == {"B": "m"}


@pytest.mark.parametrize(
    ("name", "wanted", "reason"),
    [
        ("HOTPLUG", "y", "depends on SPARSE && 64BIT (SPARSE is n)"),
        ("HIDDEN", "y", "no prompt, only others select it: ZSWAP"),
        ("ZSWAP", "y", "depends on SWAP (SWAP is n)"),
        ("LARGE", "y", "another member of the same choice"),
        ("SHIFT", "99", "allows another value"),
        ("OPEN", "y", "its conditions hold, yet it was not set"),
        ("NOT_AN_OPTION", "y", "this kernel has no such option"),
        ("64BIT", "n", "selected by its default"),
    ],
)
def test_reasons(tree: Path, name: str, wanted: str, reason: str) -> None:
    got = {"MMU": "y", "64BIT": "y", "SMALL": "y", "SHIFT": "4"}
    assert reason in config.explain(name, wanted, got, kconfig.read(tree))


def test_selected_against_the_fragment(tree: Path) -> None:
    index = kconfig.read(tree)
    selecting = {"MMU": "y", "SWAP": "y", "ZSWAP": "y", "TIED": "y", "HOTPLUG": "y"}
    assert config.explain("TIED", "n", selecting, index).endswith("selected by ZSWAP")
    condition_unmet = selecting | {"HOTPLUG": "n"}
    assert config.explain("TIED", "n", condition_unmet, index).endswith("selected by its default")


def test_menu_condition_reaches_its_options(tree: Path) -> None:
    assert "depends on MMU (MMU is n)" in config.explain("OPEN", "y", {}, kconfig.read(tree))


def test_superset_check(tree: Path) -> None:
    result = tree / ".config"
    result.write_text("CONFIG_MMU=y\nCONFIG_64BIT=y\n# CONFIG_HOTPLUG is not set\n")
    config.require_superset({"MMU": "y", "HOTPLUG": "n"}, result, tree)
    with pytest.raises(UserError, match=r"(?s)2 option.*HOTPLUG=y.*SPARSE is n.*ZSWAP=y") as caught:
        config.require_superset({"MMU": "y", "HOTPLUG": "y", "ZSWAP": "y"}, result, tree)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", flavour.names())
def test_own_fragments_are_well_formed(name: str) -> None:
    options = flavour.load(name).options()
    assert options["NUMA"] == "y"
    assert options["MODULES"] == "y"
