# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is told about the choice of tests."""

from collections.abc import Sequence

import pytest

from tools.cli.collect import Collected
from tools.cli.session import files
from tools.paths import ROOT

SELFTESTS = ROOT / "selftests"

TESTS = [
    Collected(nodeid, ("ISO-01",))
    for nodeid in (
        "selftests/b/test_y.py::test_one[a::b]",
        "selftests/b/test_y.py::test_two",
        "selftests/a/test_x.py::test_three",
    )
]
FILES = ["selftests/b/test_y.py", "selftests/a/test_x.py"]


#: As many files as there are.
ALL = [
    Collected(str(path.relative_to(ROOT)) + "::test", ("ISO-01",)) for path in SELFTESTS.rglob("test_*.py")
]


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        ((), FILES),  # of a topology that has few tests
        (("--repeat=3", "--seed=1"), FILES),
        (("-k", "one"), FILES),
        (("-m", "core"), FILES),
        (("--req", "ISO", "--repeat=3"), FILES),
        (("-k", "-x"), FILES),
        (("-k", "one", "selftests/a"), []),
        (("-x",), []),
    ],
)
def test_only_the_files_of_a_choice_are_imported(selection: Sequence[str], told: list[str]) -> None:
    assert files(selection, TESTS) == told


def test_the_whole_suite_is_no_choice() -> None:
    assert files((), ALL) == []
    assert len(files(("-k", "one"), ALL)) == len(ALL)


def test_what_is_left_of_a_run_is_a_choice() -> None:
    assert len(files((), ALL, resumed=True)) == len(ALL)
