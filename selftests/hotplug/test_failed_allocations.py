# SPDX-License-Identifier: GPL-2.0-only
"""HPL-12: each allocation on the way of a plug, a registration or set_ops fails once.

Adding the first memory of a node registers the node's device, and there the kernel itself has a BUG_ON(), of
old: the first range is tried only where refusals can be kept out of that function.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fixtures.invariants import allow_splat
from fixtures.nodes import PrivateNode, PrivateRange
from fixtures.requirement import requirement
from fixtures.testmod import AllocFactory
from helpers import failing as refusals
from helpers.failing import Attempt, Failing
from helpers.memory import PAGE_SIZE
from helpers.nodes import memory_blocks
from helpers.outcome import OK
from helpers.testmod import Callbacks, Entry, Kind, Object, OnlineType, Ops, TestModule
from selftests.hotplug.standing import BARE, PRIVATE, REGISTERED, standing, world

pytestmark = pytest.mark.disruptive

OPEN = Ops.MIGRATION | Ops.MEMPOLICY
MOST = 3000  # allocations of one call; a plug of a block has some hundreds
#: How a call without memory may end, beside success. EEXIST: register_memory_resource() cannot tell a range
#: that is taken from a resource that could not be allocated, and never could.
CLEAN = {"ENOMEM", "EEXIST"}
REGISTERING = "__register_one_node"
Record = Callable[[str, object], None]
sections_warning = allow_splat(
    refusals.SECTIONS_WARNING, reason="the WARN_ON_ONCE of add_pages(), not of the series"
)


@pytest.fixture
def failing() -> Iterator[Failing]:
    if not refusals.available():
        pytest.skip("needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS")
    with refusals.failing() as switched:
        yield switched


def check(attempt: Attempt) -> str:
    """The errno is one that lack of memory explains."""
    assert attempt.outcome in CLEAN | {OK}, f"allocation {attempt.nth} failed: {attempt.outcome}"
    return attempt.outcome


def swept(outcomes: Counter[str], record: Record) -> None:
    """Something failed, and not everything did."""
    record("outcomes", dict(outcomes))
    assert outcomes["ENOMEM"] > 0, f"no allocation of the call mattered: {dict(outcomes)}"


@sections_warning
@requirement("HPL-12")
@pytest.mark.timeout(100)
@pytest.mark.parametrize(
    "online",
    [OnlineType.MOVABLE, OnlineType.KERNEL, OnlineType.OFFLINE],
    ids=["movable", "kernel", "offline"],
)
@pytest.mark.parametrize(
    "first", [OnlineType.MOVABLE, OnlineType.OFFLINE], ids=["beside_online", "beside_offline"]
)
def test_add_to_a_node_that_is_there(
    unplugged: PrivateRange,
    testmod: TestModule,
    failing: Failing,
    record_property: Record,
    first: OnlineType,
    online: OnlineType,
) -> None:
    unplugged.plug(online=first)
    unplugged.plug(offset=unplugged.block, online=online).unplug()  # what is made once and kept
    before, outcomes = world(testmod, unplugged.nid), Counter[str]()

    def add() -> None:
        unplugged.plug(offset=unplugged.block, online=online)

    for attempt in failing.each(add, MOST):
        outcomes[check(attempt)] += 1
        if attempt.outcome == OK:
            part = unplugged.parts[-1]
            # add_memory_resource() leaves offline what it could not online, and ends well.
            now = OnlineType.OFFLINE if is_offline(part) else online
            assert part.managed_pages() == pages_of(unplugged, first, now), f"after {attempt}"
            part.unplug()
        assert world(testmod, unplugged.nid) == before, f"after {attempt}"
    swept(outcomes, record_property)
    left = unplugged.parts[-1].managed_pages()
    assert left == pages_of(unplugged, first, online), "the control: nothing fails any more"


def is_offline(part: PrivateNode) -> bool:
    """Whether the part's one block is. Without its node: the link from there may be what was refused."""
    return next(block.state for block in memory_blocks() if block.start == part.start) == "offline"


def pages_of(range_: PrivateRange, *online: OnlineType) -> int:
    """Pages that the allocator has when blocks are online like that."""
    return sum(one is not OnlineType.OFFLINE for one in online) * range_.block // PAGE_SIZE


@sections_warning
@requirement("HPL-12")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("kind", [Kind.PRIVATE, Kind.ORDINARY], ids=["private", "ordinary"])
def test_add_of_the_first_memory(
    unplugged: PrivateRange,
    testmod: TestModule,
    failing: Failing,
    record_property: Record,
    kind: Kind,
) -> None:
    """Of ordinary memory as well: the control, which fails in the same way."""
    if not refusals.stack_filter():
        pytest.skip("needs a kernel with FAULT_INJECTION_STACKTRACE_FILTER")

    def add() -> None:
        unplugged.plug(kind=kind)

    add()
    unplugged.parts[-1].unplug()
    before, outcomes = world(testmod, unplugged.nid), Counter[str]()
    with refusals.sparing(REGISTERING):
        for attempt in failing.each(add, MOST):
            outcomes[check(attempt)] += 1
            if attempt.outcome == OK:
                unplugged.parts[-1].unplug()
            assert world(testmod, unplugged.nid) == before, f"after {attempt}"
    swept(outcomes, record_property)
    assert standing(testmod, unplugged.nid) == (PRIVATE if kind is Kind.PRIVATE else "ordinary")


@requirement("HPL-12")
def test_set_ops(
    closed_node: PrivateNode, mod: TestModule, alloc: AllocFactory, failing: Failing, record_property: Record
) -> None:
    outcomes, fresh = Counter[str](), iter(range(1, 64))
    closed_node.set_ops(Ops.RECLAIM)
    for attempt in failing.each(
        lambda: closed_node.set_ops(
            OPEN, Callbacks(0x7F & ~next(fresh)) | Callbacks.MIGRATE_TO | Callbacks.FOLIO_MIGRATE
        ),
        MOST,
    ):
        outcomes[check(attempt)] += 1
        expected = OPEN if attempt.outcome == OK else Ops.RECLAIM
        assert closed_node.state().ops_flags == expected, f"after {attempt}"
        closed_node.set_ops(Ops.RECLAIM)
    swept(outcomes, record_property)
    closed_node.set_ops(OPEN)
    assert closed_node.state().ops_flags == OPEN
    taken = alloc(Entry.ALLOC_PAGES_NODE, closed_node, gfp=mod.gfp.HIGHUSER_MOVABLE | mod.gfp.GFP_PRIVATE)
    assert taken is not None


@requirement("HPL-12")
def test_registration(
    unplugged: PrivateRange, testmod: TestModule, failing: Failing, record_property: Record
) -> None:
    outcomes = Counter[str]()
    for attempt in failing.each(lambda: testmod.register(unplugged.nid, Object.NODE), MOST):
        outcomes[check(attempt)] += 1
        assert standing(testmod, unplugged.nid) == (REGISTERED if attempt.outcome == OK else BARE)
        testmod.unregister(unplugged.nid)
    record_property("outcomes", dict(outcomes))
    assert standing(testmod, unplugged.nid) == REGISTERED, "the control: nothing fails"
    testmod.unregister(unplugged.nid)


@requirement("HPL-12a")
@pytest.mark.timeout(100)
@pytest.mark.parametrize("ops", [None, OPEN], ids=["closed", "open"])
@pytest.mark.parametrize("last", [False, True], ids=["one_of_two", "last"])
def test_unplug(
    unplugged: PrivateRange,
    testmod: TestModule,
    failing: Failing,
    record_property: Record,
    ops: Ops | None,
    last: bool,
) -> None:
    outcomes = Counter[str]()
    if not last:
        unplugged.plug(offset=unplugged.block)
    rest = standing(testmod, unplugged.nid)
    part = unplugged.plug(ops=ops)
    before = world(testmod, unplugged.nid)
    for nth in range(1, MOST):
        attempt = failing.once(nth, part.unplug)
        if not attempt.hit:
            break
        outcomes[check(attempt)] += 1
        if part in unplugged.parts:
            assert world(testmod, unplugged.nid) == before, f"after {attempt}"
            continue
        assert standing(testmod, unplugged.nid) == rest, f"after {attempt}"
        part = unplugged.plug(ops=ops)
    record_property("outcomes", dict(outcomes))
    assert standing(testmod, unplugged.nid) == rest, "the control: nothing fails"
