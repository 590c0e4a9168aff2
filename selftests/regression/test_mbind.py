# SPDX-License-Identifier: GPL-2.0-only
"""REG-01 and REG-01a: mbind(2) on ordinary nodes."""

import pytest

from fixtures.memory import AnonFactory
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import (
    MPOL_F_ADDR,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_STATIC_NODES,
    MPOL_MF_MOVE,
    MPOL_MF_MOVE_ALL,
    MPOL_MF_STRICT,
    Mode,
)
from helpers.nodemask import NodeMask
from helpers.outcome import OK, outcome
from helpers.testmod import TestModule
from selftests import errnos
from selftests.errnos import POLICY_ROWS, RANGE_ROWS, Row
from selftests.mempolicy.placing import HUGE, PAGES
from selftests.oracle import located, placed

SINGLE = (Mode.BIND, Mode.PREFERRED, Mode.PREFERRED_MANY, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE)
NOBODY = 65534
modes = pytest.mark.parametrize("mode", SINGLE, ids=lambda mode: mode.name.lower().replace("_", "-"))


@requirement("REG-01a")
@core
@pytest.mark.parametrize("row", [*POLICY_ROWS, *RANGE_ROWS], ids=str)
def test_errors(ordinary: dict[str, int], row: Row) -> None:
    other = {"D": "E", "E": "D"}
    found = {letter: errnos.mbind(row, ordinary[letter], ordinary[other[letter]]) for letter in "DE"}
    assert found == dict.fromkeys("DE", row.result), f"{row!r}"


@requirement("REG-01")
@core
@modes
@pytest.mark.parametrize("letter", ["D", "E"])
@pytest.mark.parametrize("flag", [0, MPOL_F_STATIC_NODES], ids=["plain", "static"])
def test_pages_of_each_mode(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, mode: Mode, letter: str, flag: int
) -> None:
    memory = anon(PAGES)
    memory.bind(mode | flag, [ordinary[letter]])
    memory.touch()
    where = located(mod, memory)
    assert where.all_on(ordinary[letter]), f"{mode.name} {{{letter}}} of {ordinary}: {where}"
    assert syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR) == (mode | flag, NodeMask.of(ordinary[letter]))
    memory.verify()


@requirement("REG-01")
@core
def test_modes_without_nodes(ordinary: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    for mode in (Mode.DEFAULT, Mode.LOCAL, Mode.PREFERRED):
        memory = anon(PAGES)
        memory.bind(Mode.BIND, [ordinary["E"]])
        memory.bind(mode, ())
        memory.touch()
        assert located(mod, memory).all_on(ordinary["D"]), f"{mode.name}: {located(mod, memory)}"


@requirement("REG-01")
@modes
def test_huge_pages(ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, mode: Mode) -> None:
    memory = anon(2 * HUGE, thp=True)
    memory.bind(mode, [ordinary["E"]])
    memory.touch()
    where = located(mod, memory)
    assert where.all_on(ordinary["E"]), f"{mode.name}: {where}"
    assert where.huge_runs() == 2, f"{mode.name}: no huge pages"


@requirement("REG-01")
@core
@pytest.mark.parametrize("move", [0, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL], ids=["none", "move", "move-all"])
@pytest.mark.parametrize("strict", [0, MPOL_MF_STRICT], ids=["lax", "strict"])
@pytest.mark.parametrize("route", ["D>E", "E>D", "E>E"])
def test_pages_that_are_there(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, route: str, strict: int, move: int
) -> None:
    """MOVE moves them, STRICT without it reports them, and neither leaves them."""
    source, target = (ordinary[letter] for letter in route.split(">"))
    memory = placed(anon(PAGES), source)
    result = outcome(memory.bind, Mode.BIND, [target], strict | move)
    assert result == ("EIO" if strict and not move and source != target else OK)
    where = located(mod, memory)
    assert where.all_on(target if move else source), f"{route}: {where}"
    memory.verify()


@requirement("REG-01")
@core
def test_pages_that_others_map(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, child: ChildFactory
) -> None:
    """MOVE leaves them, which is a failure or none; MOVE_ALL takes them along and needs privilege."""
    memory = placed(anon(PAGES), ordinary["D"])
    child.start(lambda: (yield)).step()
    target = [ordinary["E"]]
    assert outcome(memory.bind, Mode.BIND, target, MPOL_MF_MOVE) == OK
    assert located(mod, memory).all_on(ordinary["D"]), f"MOVE: {located(mod, memory)}"
    assert outcome(memory.bind, Mode.BIND, target, MPOL_MF_MOVE | MPOL_MF_STRICT) in (OK, "EIO")
    assert child(outcome, memory.bind, Mode.BIND, target, MPOL_MF_MOVE_ALL, uid=NOBODY) == "EPERM"
    assert outcome(memory.bind, Mode.BIND, target, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT) == OK
    assert located(mod, memory).all_on(ordinary["E"]), f"MOVE_ALL: {located(mod, memory)}"
    memory.verify()


@requirement("REG-01")
@core
def test_relative_nodes(ordinary: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    """Every position is accepted, and names a node that a policy may name."""
    for position in range(6):
        memory = anon(1)
        mode = Mode.BIND | MPOL_F_RELATIVE_NODES
        memory.bind(mode, [position])
        assert syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR) == (mode, NodeMask.of(position))
