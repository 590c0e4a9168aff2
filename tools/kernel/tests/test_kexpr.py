# SPDX-License-Identifier: GPL-2.0-only
"""Dependency expressions against a configuration."""

import pytest

from tools.kernel.kexpr import MODULE, NO, YES, compare, evaluate

CONFIG = {"A": "y", "M": "m", "N": "n", "NUM": "4", "TEXT": '"x86"'}


@pytest.mark.parametrize(
    ("text", "value", "culprits"),
    [
        ("A", YES, ()),
        ("N", NO, ("N",)),
        ("ABSENT", NO, ("ABSENT",)),
        ("M", MODULE, ("M",)),
        ("A && N", NO, ("N",)),
        ("N || A", YES, ()),
        ("N || ABSENT", NO, ("N", "ABSENT")),
        ("!A", NO, ("!A",)),
        ("!N", YES, ()),
        ("!(A && M) || N", MODULE, ("!(", "N")),
        ("A && (N || M)", MODULE, ("N", "M")),
        ("NUM >= 4", YES, ()),
        ("NUM > 4", NO, ("NUM>4",)),
        ('TEXT = "x86"', YES, ()),
        ("M != n && A", YES, ()),
        ("y", YES, ()),
        ("n", NO, ()),
    ],
)
def test_value_and_culprits(text: str, value: int, culprits: tuple[str, ...]) -> None:
    result = evaluate(text, CONFIG)
    assert result.value == value
    assert result.culprits == culprits


def test_order_is_of_numbers_only() -> None:
    assert compare("0x10", ">", "9")
    assert not compare("abc", "<", "abd")
