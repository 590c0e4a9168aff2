# SPDX-License-Identifier: GPL-2.0-only
"""faults.toml fits what can be injected."""

from pathlib import Path

import pytest

from tools.chaos import data, host, scenario
from tools.chaos.inside import misbehave
from tools.chaos.inside.misbehave import by_name
from tools.errors import UserError
from tools.report.events import Kind, Outcome

KNOWN = data.load()


@pytest.mark.parametrize("fault", KNOWN.values(), ids=KNOWN)
def test_every_fault_can_be_injected(fault: data.Fault) -> None:
    assert callable(by_name(fault.name))
    assert (fault.by == "test") != (fault.name in host.NAMES)
    assert (fault.by == "run") == (fault.name in scenario.CHECKED)


@pytest.mark.parametrize("name", ["panic", "kills-everything", "reboots", "out-of-memory"])
def test_nothing_is_done_to_a_machine_that_is_no_guest(name: str) -> None:
    with pytest.raises(RuntimeError, match="would harm this machine"):
        by_name(name)()


def test_every_kind_of_end_is_injected() -> None:
    wanted = {Kind.PANIC, Kind.OOPS, Kind.SPLAT, Kind.TEST_HANG, Kind.KERNEL_HANG, Kind.GUEST_LOST}
    assert wanted <= {fault.kind for fault in KNOWN.values()}
    assert wanted <= {fault.kind for fault in KNOWN.values() if fault.sample}, "in the short form as well"


def test_what_the_module_is_asked_for_is_what_it_understands() -> None:
    source = (Path(data.__file__).with_name("module") / "pnode_chaos.c").read_text()
    text = Path(misbehave.__file__).read_text()
    asked = {line.partition('in_kernel("')[2].partition('"')[0] for line in text.splitlines()} - {""}
    asked |= {"deadlock-ab", "deadlock-ba"}
    assert asked == {
        line.partition('strcmp(what, "')[2].partition('"')[0] for line in source.splitlines()
    } - {""}


def test_a_name_that_is_none() -> None:
    with pytest.raises(UserError, match=r"panik: no such fault in faults\.toml; did you mean panic"):
        data.choose(KNOWN, ["panik"])


def test_a_wrong_entry_is_told(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text('[x]\ndoes = ""\nsees = ["PASS", ""]\nshow = []\n')
    with pytest.raises(ValueError, match=r"x: unknown keys \['show'\]"):
        data.load(path)


def test_in_words() -> None:
    assert KNOWN["panic"].expected == "FAIL panic"
    assert data.GOOD.expected == Outcome.PASS
