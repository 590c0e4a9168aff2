# SPDX-License-Identifier: GPL-2.0-only
"""The data of the variants, and what is made of it."""

from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import flavour, variants


def test_each_variant_takes_options_of_the_reference_away() -> None:
    wanted = flavour.load().options()
    for variant in variants.load().variants:
        assert variant.off, variant.name
        assert wanted.get(variant.off[0], "n") != "n", f"{variant.name}: {variant.off[0]} is off anyway"
        assert variant.why


def test_without_says_no_in_words() -> None:
    assert variants.without({"A": "y", "B": "m"}, ("B", "C")) == {"A": "y", "B": "n", "C": "n"}


def test_choose() -> None:
    plan = variants.load()
    assert plan.choose([]) == plan.variants
    assert [one.name for one in plan.choose(["no-ksm"])] == ["no-ksm"]
    with pytest.raises(UserError, match="no variant named nonsense; there are no-numa"):
        plan.choose(["nonsense"])


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "variants.toml"
    file.write_text('targets = ["mm/"]\n[x]\noff = ["A"]\n')
    with pytest.raises(UserError, match=r"\[x\] has to have why and off"):
        variants.load(file)
