# SPDX-License-Identifier: GPL-2.0-only
"""SVC-05, userfaultfd: neither moving pages nor taking their protection off makes them writable."""

from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from helpers.nodes import Node
from helpers.residency import residency
from helpers.testmod import TestModule
from helpers.userfault import MISSING, WP, Userfault
from selftests.filters.kinds import KINDS
from selftests.services.protected import arrived, faults, writable

pytestmark = pytest.mark.parametrize("kind", ["base", "huge"])


@pytest.fixture
def uffd() -> Iterator[Userfault]:
    with Userfault() as one:
        yield one


@requirement("SVC-05")
def test_moving(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, uffd: Userfault, kind: str
) -> None:
    source, memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded), anon(**KINDS[kind])
    frames = residency(source).frames
    uffd.register(memory, MISSING)
    uffd.move(memory.addr, source.addr, memory.nbytes)
    assert residency(memory).frames == frames, f"{residency(memory)}"
    assert writable(mod, memory) == 0, f"{writable(mod, memory)} of {memory.pages} pages"
    memory.verify()
    assert not faults(guarded), "reads fault"
    memory.touch(2)
    assert faults(guarded)
    memory.verify(2)


@requirement("SVC-05")
def test_write_protection(
    guarded: PrivateNode, anon: AnonFactory, ordinary_node: Node, mod: TestModule, uffd: Userfault, kind: str
) -> None:
    memory = arrived(anon(**KINDS[kind]), ordinary_node.nid, guarded)
    uffd.register(memory, WP)
    for protected in (True, False):
        uffd.protect(memory.addr, memory.nbytes, protected)
        assert writable(mod, memory) == 0, f"protected {protected}: {writable(mod, memory)} pages"
    memory.verify()
    assert not faults(guarded), "reads fault"
    memory.touch(2)
    assert faults(guarded)
    memory.verify(2)
