# SPDX-License-Identifier: GPL-2.0-only
"""Which nodes a test that takes `nodes` (conftest.py) gets: P and D always, others where it names them."""

import pytest

#: Fixtures behind the letters that not every machine has.
OTHERS = {"Q": ("q", "second_open_node"), "E": ("second_ordinary_node",)}
#: For a test that names Q or E itself. Where a parameter names it ("DPQ") that is enough.
with_q = pytest.mark.usefixtures("q")
with_e = pytest.mark.usefixtures("second_ordinary_node")


def named(item: pytest.Function) -> set[str]:
    """Letters in the parameters of a test."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    texts = ["".join(value) for value in params.values() if isinstance(value, str | dict)]
    return {letter for text in texts if set(text) <= set("DEPQ >") for letter in text}
