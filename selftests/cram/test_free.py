# SPDX-License-Identifier: GPL-2.0-only
"""CRM-06, CRM-07, CRM-07a: what becomes of the contents of freed memory, and what flush answers."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.settling import drain
from fixtures.tiers import Cold, ColdFactory
from helpers.memory import Mapping
from helpers.residency import Residency
from helpers.testmod import Callback, Flush, Mode
from helpers.wait import wait_until
from selftests.cram.arrival import MakeCram, arrive

PAGES = 512


def secret() -> int:
    """A word that no memory has by chance, or from an earlier test."""
    return secrets.randbits(64) | 1 << 63


def full_of(word: int) -> Callable[[Mapping], Iterator[None]]:
    """Writes the word to every place of the memory, which has to be demoted after that, and to no other: the
    task's own pages are demoted as well."""

    def work(memory: Mapping) -> Iterator[None]:
        words, written = memory.view.cast("Q"), 1
        words[0] = word
        while written < len(words):
            more = min(written, len(words) - written)
            words[written : written + more] = words[:more]
            written += more
        yield

    return work


def left_behind(node: PrivateNode, word: int) -> int:
    """Pages with the word among all of the node's memory, as its next owner gets it."""
    with node.all_taken() as taken:
        scans = [one.scan(word, (1 << 64) - 1) for one in taken if one]
        assert sum(scan.pages for scan in scans) == node.managed_pages(), f"not all of {node}: {taken}"
        return sum(scan.matching for scan in scans)


def demoted_secret(
    cold: ColdFactory, node: PrivateNode, word: int, thp: bool = False
) -> tuple[Cold, Residency]:
    memory = cold(PAGES, thp=thp, then=full_of(word))
    memory.step()
    return memory, arrive(memory, node)


def ended(memory: Cold, node: PrivateNode) -> None:
    """The task is dead and all it had on the node is free, or kept."""
    memory.worker.kill()

    def home() -> bool:
        drain()
        return node.free_pages() + node.counters().kept >= node.managed_pages()

    wait_until(home, 10, lambda: f"{node.managed_pages() - node.free_pages()} pages of {node} in use")


#: What is set up, and whether the contents are still there for the next owner.
ANSWERS = {
    "no-callback": (None, False),
    "full": (Flush.FULL, False),
    "driver-zeroed": (None, False),
    "driver-lied": (Flush.DONE, True),
}


@requirement("CRM-06")
@pytest.mark.parametrize("thp", [False, True], ids=["base", "thp"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_contents_are_gone(cram: MakeCram, cold: ColdFactory, answer: str, thp: bool) -> None:
    """The kernel zeroes, unless the driver says that it has; the one that says so and has not is the
    control."""
    result, there = ANSWERS[answer]
    node, word = cram(flush=answer != "no-callback"), secret()
    if result is not None:
        node.program(Callback.FLUSH, Mode.RESULT, result)
    memory, found = demoted_secret(cold, node, word, thp)
    ended(memory, node)
    seen = left_behind(node, word)
    assert seen == (found.counts[node.nid] if there else 0), f"{seen} pages; were on the node: {found}"


def frames_on(node: PrivateNode, found: Residency) -> set[int]:
    return {
        pfn for pfn, nid in zip(found.frames, found.nodes, strict=True) if pfn is not None and nid == node.nid
    }


def in_use(node: PrivateNode) -> int:
    """Pages: of the memory that was made for the test, and of what else its task has that was demoted."""
    return node.managed_pages() - node.free_pages()


@requirement("CRM-07")
def test_told_of_each(cram: MakeCram, cold: ColdFactory) -> None:
    """Once for each folio that is freed, and for none of ordinary memory."""
    node = cram()
    memory, found = demoted_secret(cold, node, secret())
    used = in_use(node)
    node.reset_counters()
    ended(memory, node)
    flushed = [event.pfn for event in node.events(Callback.FLUSH)]
    assert len(flushed) == used, f"flushed {len(flushed)} folios of {used} pages"
    assert len(set(flushed)) == used, "some were flushed twice"
    missing = frames_on(node, found) - set(flushed)
    assert not missing, f"{len(missing)} frames of {found} were not flushed"


@requirement("CRM-07a")
def test_kept(cram: MakeCram, cold: ColdFactory) -> None:
    """What the driver keeps is nobody's until it is let go, and then free."""
    node = cram()
    memory, _ = demoted_secret(cold, node, secret())
    used = in_use(node)
    node.program(Callback.FLUSH, Mode.KEEP)
    ended(memory, node)
    kept = node.counters().kept
    assert kept == used, f"kept {kept} of {used} pages"
    assert in_use(node) == kept, f"{node}: {in_use(node)} pages not free, {kept} kept"
    node.mod.release_kept(node.nid)
    assert in_use(node) == 0, f"{node}: {in_use(node)} pages not free"


@requirement("CRM-07")
def test_told_of_promoted(cram: MakeCram, cold: ColdFactory) -> None:
    """A folio that a write brings back leaves its old frame, which is flushed, once."""
    node = cram()

    def write(memory: Mapping) -> Iterator[None]:
        memory.touch(2)
        yield

    memory = cold(PAGES, then=write)
    found = arrive(memory, node)
    node.reset_counters()
    memory.step()
    flushed = Counter(event.pfn for event in node.events(Callback.FLUSH))
    times = Counter(flushed[pfn] for pfn in frames_on(node, found))
    assert set(times) == {1}, f"frames of {found} by how often they were flushed: {dict(times)}"
