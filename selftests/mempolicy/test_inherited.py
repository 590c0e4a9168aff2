# SPDX-License-Identifier: GPL-2.0-only
"""MPL-11: what fork() and exec() do to policies on P, and where copies on write of pages on P are."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import syscalls
from helpers.constants import MPOL_F_ADDR, Mode
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from helpers.nodes import Node
from helpers.residency import Residency, residency
from helpers.testmod import TestModule
from selftests.mempolicy.letters import with_q
from selftests.mempolicy.placing import HUGE, PAGES, task_policy
from selftests.mempolicy.shown import policies
from selftests.oracle import located

KINDS = {"base": {"pages": PAGES}, "huge": {"pages": HUGE, "thp": True}}
SLEEPER = [sys.executable, "-I", "-S", "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
kinds = pytest.mark.parametrize("kind", [pytest.param("base", marks=core), "huge"])


@requirement("MPL-11")
@core
@with_q
def test_forked_task_has_both_policies(
    nodes: dict[str, int], mod: TestModule, anon: AnonFactory, child: ChildFactory
) -> None:
    memory = anon(2 * PAGES)
    memory.bind(Mode.BIND, [nodes["P"]], count=PAGES)

    def grandchild() -> tuple[object, object, Residency]:
        memory.touch()
        memory.verify()
        return syscalls.get_mempolicy(memory.addr, MPOL_F_ADDR), syscalls.get_mempolicy(), residency(memory)

    def parent() -> object:
        with task_policy(Mode.BIND, [nodes["Q"]]):
            return ChildFactory()(grandchild)

    of_range, of_task, where = child(parent)
    assert (of_range, of_task) == tuple((Mode.BIND, NodeMask.of(nodes[letter])) for letter in "PQ")
    assert where.nodes == [nodes["P"]] * PAGES + [nodes["Q"]] * PAGES, f"range P, task Q: {where.nodes}"
    assert residency(memory).absent == 2 * PAGES, "what the fork touched is in the parent"


@requirement("MPL-11")
@kinds
@pytest.mark.parametrize("writer", ["child", "parent"])
def test_copies_on_write_are_on_the_node(
    p: PrivateNode, mod: TestModule, anon: AnonFactory, child: ChildFactory, kind: str, writer: str
) -> None:
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [p.nid])
    memory.touch(1)
    before = located(mod, memory)
    assert before.all_on(p.nid), f"to begin with: {before}"

    def forked() -> Iterator[Residency]:
        memory.verify(1)
        yield residency(memory)
        if writer == "child":
            memory.touch(2)
        memory.verify(2 if writer == "child" else 1)
        yield residency(memory)

    other = child.start(forked)
    assert other.step().frames == before.frames, "the control: shared until somebody writes"
    if writer == "parent":
        memory.touch(2)
    theirs, ours = other.step(), located(mod, memory)
    assert theirs.all_on(p.nid), f"of the child, the {writer} wrote: {theirs}"
    assert ours.all_on(p.nid), f"of the parent, the {writer} wrote: {ours}"
    assert not set(theirs.frames) & set(ours.frames), "nothing was copied"
    memory.verify(2 if writer == "parent" else 1)
    other.finish()


@requirement("MPL-11")
@kinds
def test_copies_follow_the_policy_and_not_the_page(
    p: PrivateNode, ordinary_nodes: list[Node], mod: TestModule, anon: AnonFactory, child: ChildFactory,
    kind: str,
) -> None:  # fmt: skip
    """When the range is bound to P no longer, a copy of a page on P is ordinary memory."""
    memory = anon(**KINDS[kind])
    memory.bind(Mode.BIND, [p.nid])
    memory.touch(1)
    memory.bind(Mode.DEFAULT, ())

    def copies() -> Residency:
        memory.verify(1)
        memory.touch(2)
        memory.verify(2)
        return residency(memory)

    where = child(copies)
    assert where.absent == 0, f"{where}"
    assert set(where.counts) <= {node.nid for node in ordinary_nodes}, f"copies without a policy: {where}"
    assert located(mod, memory).all_on(p.nid)
    memory.verify(1)


@requirement("MPL-11")
@core
@with_q
def test_exec_keeps_the_policy_of_the_task_only(nodes: dict[str, int], child: ChildFactory) -> None:
    def execute(task: list[int]) -> Iterator[tuple[set[str], set[str]]]:
        with Mapping.anonymous(PAGES) as memory:
            memory.bind(Mode.BIND, [nodes["P"]])
            memory.touch()
            with task_policy(Mode.BIND if task else Mode.DEFAULT, task):
                before = policies("self")
                process = subprocess.Popen(SLEEPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            with process:
                assert process.stdout is not None
                process.stdout.readline()
                yield before, policies(process.pid)
                process.communicate()

    p, q = f"bind:{nodes['P']}", f"bind:{nodes['Q']}"
    for task, expected in (([nodes["Q"]], ({p, q}, {q})), ([], ({p, "default"}, {"default"}))):
        runner = child.start(execute, task)
        assert runner.step() == expected, f"(before, after exec) with task policy {task}, a range bound to P"
        runner.finish()
