# SPDX-License-Identifier: GPL-2.0-only
"""DEV-08: the descriptor may be closed under its mappings. They stay valid, and keep the module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.nodes import PrivateNode, stable_free_pages
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import TestModule

PAGES = 32
REFERENCES = Path("/sys/module/pnode_test/refcnt")


def references() -> int:
    """References to the module, by whomever."""
    if not REFERENCES.exists():
        pytest.skip("this kernel cannot unload modules")
    return int(REFERENCES.read_text())


@pytest.mark.core
@requirement("DEV-08")
def test_mappings_outlive_the_descriptor(node: PrivateNode, second_mod: TestModule) -> None:
    second_mod.device(node.nid, PAGES * PAGE_SIZE)
    with Mapping.of_fd(second_mod.fileno(), PAGES, shared=True) as memory:
        memory.touch(count=PAGES // 2, full=True)
        second_mod.close()
        memory.verify(count=PAGES // 2, full=True)
        memory.touch(first=PAGES // 2, full=True)
        memory.verify(full=True)
        assert residency(memory).all_on(node.nid), f"{node}: {residency(memory)}"


@requirement("DEV-08")
def test_private_mappings_outlive_it_too(node: PrivateNode, second_mod: TestModule) -> None:
    second_mod.device(node.nid, PAGES * PAGE_SIZE)
    with Mapping.of_fd(second_mod.fileno(), PAGES, shared=False) as memory:
        memory.touch(count=PAGES // 2)
        second_mod.close()
        memory.verify(count=PAGES // 2)
        memory.read_fault(first=PAGES // 2)
        assert residency(memory).counts[node.nid] == PAGES // 2, residency(memory)


@requirement("DEV-08")
def test_the_pages_go_with_the_last_mapping(
    node: PrivateNode, second_mod: TestModule, testmod: TestModule
) -> None:
    before, files = stable_free_pages(node), testmod.totals().files
    second_mod.device(node.nid, PAGES * PAGE_SIZE)
    with Mapping.of_fd(second_mod.fileno(), PAGES, shared=True) as memory:
        memory.touch()
        second_mod.close()
        assert testmod.totals().all.device_pages == PAGES
        assert testmod.totals().files == files, "the open description went under its mapping"
    assert testmod.totals().all.device_pages == 0
    assert testmod.totals().files == files - 1
    assert stable_free_pages(node) == before


@requirement("DEV-08")
def test_the_module_stays_pinned(closed_node: PrivateNode, second_mod: TestModule) -> None:
    before = references()
    second_mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    with Mapping.of_fd(second_mod.fileno(), PAGES, shared=True):
        second_mod.close()
        assert references() == before, "the reference of the descriptor went under its mapping"
    assert references() == before - 1


@requirement("DEV-08")
def test_a_forked_mapping_pins_it_as_well(
    closed_node: PrivateNode, second_mod: TestModule, child: ChildFactory
) -> None:
    before = references()
    second_mod.device(closed_node.nid, PAGES * PAGE_SIZE)
    memory = Mapping.of_fd(second_mod.fileno(), PAGES, shared=True)
    memory.touch()

    def user() -> Iterator[None]:
        second_mod.close()
        yield
        memory.verify()

    worker = child.start(user)
    worker.step()
    memory.close()
    second_mod.close()
    assert references() == before, "the child's mapping pins nothing"
    worker.finish()
    assert references() == before - 1
