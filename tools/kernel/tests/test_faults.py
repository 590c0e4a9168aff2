# SPDX-License-Identifier: GPL-2.0-only
"""The list of faults: a mistake in it is one line, and it agrees with the kernel and with the catalogue."""

import re
from pathlib import Path

import pytest

from helpers import catalogue
from tools.errors import UserError
from tools.kernel import faults, recipe

GOOD = """
[gate-freelist]
hook = "mm/page_alloc.c: free-list walk"
breaks = "anybody gets in"
turns_red = ["ISO-02"]
also = ["NOP"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    return path


def load(tmp_path: Path, text: str) -> dict[str, faults.Fault]:
    return faults.load(catalogue.load(), write(tmp_path, text))


def test_a_fault(tmp_path: Path) -> None:
    (fault,) = load(tmp_path, GOOD).values()
    assert (fault.name, fault.turns_red, fault.crashes) == ("gate-freelist", ("ISO-02",), False)
    assert fault.concerns(["ISO-02"])
    assert fault.concerns(["NOP-03"])
    assert not fault.concerns(["ISO-03", "MPL-01"])


def test_no_list(tmp_path: Path) -> None:
    assert faults.load(path=tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("gate-freelist", "gate_freelist"), "[gate_freelist] is no name of a fault"),
        (GOOD.replace("hook", "hooks"), "unknown key 'hooks'"),
        (GOOD.replace('breaks = "anybody gets in"', ""), "[gate-freelist] lacks breaks"),
        (GOOD.replace('["ISO-02"]', '"ISO-02"'), "turns_red must be a list of strings"),
        (GOOD.replace("ISO-02", "ISO-99"), "turns_red 'ISO-99', which is not in the catalogue"),
        (GOOD.replace("NOP", "NON"), "also 'NON' is no requirement and no chapter"),
        (
            GOOD.replace('turns_red = ["ISO-02"]', ""),
            "needs requirements in turns_red, or a reason in unseen",
        ),
        (GOOD + 'unseen = "x"\n', "needs requirements in turns_red, or a reason in unseen"),
        (GOOD + "crashes = 1\n", "crashes must be true or false"),
        (GOOD + "racy = true\nsample = true\n", "[gate-freelist] is racy: it is no part of the sample"),
        ("x = 1\n", "x is not a table"),
        ("[x\n", "faults.toml: "),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_real_list_agrees_with_the_catalogue() -> None:
    assert faults.load(catalogue.load())


def test_the_real_list_has_what_the_kernel_has() -> None:
    """The names in the patch, with dashes for underscores, as debugfs has them."""
    added = re.compile(r"^\+NP_BREAK\((\w+)\)", re.MULTILINE)
    names = [name for patch in recipe.patches() for name in added.findall(patch.read_text())]
    in_kernel = {name.replace("_", "-") for name in names if name != "name"}
    assert len(in_kernel) >= 70
    assert set(faults.load()) <= in_kernel, "faults.toml has faults that no patch adds"


def test_control_tests_are_named_once() -> None:
    tests = faults.control()
    assert len(tests) == len(set(tests)) >= 10
