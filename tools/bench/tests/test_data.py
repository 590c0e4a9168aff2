# SPDX-License-Identifier: GPL-2.0-only
"""measures.toml as it is, and what is said about a wrong one."""

from pathlib import Path

import pytest

from tools.bench import data
from tools.errors import UserError
from tools.guest import topology


def test_the_file_as_it_is() -> None:
    found = data.load()
    assert found.residency.sizes[0] == 1 << 20
    assert len(topology.load(found.runs.topology).nodes) >= 2, "pages have to move between ordinary nodes"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("pages = [1, 16, 256]", "pages = [1]", "at least two"),
        ("guests = [1, 2, 4]", "guests = [2, 4]", "1 is what"),
        ("rounds = [9, 9, 5, 3]", "rounds = [9]", "one number for each"),
        ("call_over_c = 1.3", "call_over_d = 1.3", "call_over_c"),
        ('"1G"]', '"1X"]', "1X"),
        ("budget", "budgets", "budget"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = data.DATA.read_text()
    assert old in text
    path = tmp_path / "measures.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=told):
        data.load(path)
