# SPDX-License-Identifier: GPL-2.0-only
"""REG-04: set_mempolicy_home_node(2) on ordinary nodes."""

import errno

import pytest

from fixtures.memory import AnonFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import Mode
from helpers.memory import PAGE_SIZE
from helpers.outcome import OK, errno_name, outcome
from helpers.syscalls import set_mempolicy_home_node
from helpers.testmod import TestModule
from selftests.mempolicy.placing import PAGES
from selftests.oracle import located


@requirement("REG-04")
@pytest.mark.local
@core
@pytest.mark.parametrize("mode", [Mode.BIND, Mode.PREFERRED_MANY], ids=["bind", "preferred-many"])
@pytest.mark.parametrize("letter", ["D", "E"])
def test_pages_are_at_home(
    ordinary: dict[str, int], mod: TestModule, anon: AnonFactory, mode: Mode, letter: str
) -> None:
    memory = anon(2 * PAGES)
    memory.bind(mode, ordinary.values())
    set_mempolicy_home_node(memory.addr, memory.nbytes // 2, ordinary[letter])
    memory.touch()
    where = located(mod, memory)
    wanted = [ordinary[letter]] * PAGES + [ordinary["D"]] * PAGES
    assert where.nodes == wanted, f"{mode.name} {ordinary}, home of the first half {letter}: {where}"


@requirement("REG-04")
@core
@pytest.mark.parametrize("mode", [Mode.PREFERRED, Mode.INTERLEAVE, Mode.WEIGHTED_INTERLEAVE, Mode.LOCAL],
                         ids=lambda mode: mode.name.lower().replace("_", "-"))  # fmt: skip
def test_other_modes_have_no_home(ordinary: dict[str, int], anon: AnonFactory, mode: Mode) -> None:
    memory = anon(PAGES)
    memory.bind(mode, () if mode is Mode.LOCAL else ordinary.values())
    result = outcome(set_mempolicy_home_node, memory.addr, memory.nbytes, ordinary["E"])
    assert result == errno_name(errno.EOPNOTSUPP)


@requirement("REG-04")
@core
def test_errors(ordinary: dict[str, int], mod: TestModule, anon: AnonFactory) -> None:
    memory, bare = anon(PAGES), anon(PAGES)
    memory.bind(Mode.BIND, ordinary.values())
    start, size, home = memory.addr, memory.nbytes, ordinary["E"]
    cases = {
        "good": ((start, size, home, 0), OK),
        "flags": ((start, size, home, 1), "EINVAL"),
        "start-unaligned": ((start + 1, size, home, 0), "EINVAL"),
        "length-wraps": ((start, -PAGE_SIZE, home, 0), "EINVAL"),
        "length-0": ((start, 0, home, 0), OK),
        "node-beyond-all": ((start, size, 4096, 0), "EINVAL"),
        "node-negative": ((start, size, -1, 0), "EINVAL"),
        "node-not-online": ((start, size, mod.handshake.nr_node_ids, 0), "EINVAL"),
        "no-policy": ((bare.addr, bare.nbytes, home, 0), "ENOENT"),
    }
    found = {name: outcome(set_mempolicy_home_node, *args) for name, (args, _result) in cases.items()}
    assert found == {name: result for name, (_args, result) in cases.items()}
    memory.touch()
    assert located(mod, memory).all_on(home), f"after the good call: {located(mod, memory)}"
    assert syscalls.get_mempolicy(start, 2)[0] == Mode.BIND
