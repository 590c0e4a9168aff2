# SPDX-License-Identifier: GPL-2.0-only
"""REG-12: errors of mlock(2), mlock2(2), munlock(2) and mlockall(2), for ordinary memory and for private."""

import resource
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.memory import AnonFactory
from fixtures.nodes import PrivateNode
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers import failing
from helpers.constants import MCL_CURRENT, MCL_ONFAULT, MLOCK_ONFAULT, Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.outcome import OK, outcome
from helpers.syscalls import mlock, mlock2, mlockall, munlock, munlockall

NOBODY = 65534
#: More than a call allocates.
DEEPEST = 40
#: Does not fault in all that a process has.
ALL = MCL_CURRENT | MCL_ONFAULT
#: name -> (call, its arguments, what comes of it)
Cases = dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]]
places = pytest.mark.parametrize("letter", ["D", "E", "P"])


@pytest.fixture
def on(ordinary: dict[str, int], p: PrivateNode, anon: AnonFactory) -> Callable[[str], Mapping]:
    """`on(letter) -> Mapping`: four pages on that node."""

    def make(letter: str) -> Mapping:
        memory = anon(4)
        memory.bind(Mode.BIND, [{**ordinary, "P": p.nid}[letter]])
        memory.touch()
        return memory

    return make


def found(cases: Cases, limit: int | None = None) -> dict[str, str]:
    """For a child, whose locks go with it. limit: RLIMIT_MEMLOCK, in bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    return {name: outcome(call, *args) for name, (call, args, _result) in cases.items()}


def expected(cases: Cases) -> dict[str, str]:
    return {name: result for name, (_call, _args, result) in cases.items()}


@requirement("REG-12")
@core
@places
def test_errors(on: Callable[[str], Mapping], child: ChildFactory, letter: str) -> None:
    memory, holed = on(letter), on(letter)
    holed.unmap(1, 1)
    start, size = memory.addr, memory.nbytes
    cases: Cases = {
        "mlock-length-0": (mlock, (start, 0), OK),
        "mlock-length-wraps": (mlock, (start, -PAGE_SIZE), "EINVAL"),
        "mlock-hole": (mlock, (holed.addr, size), "ENOMEM"),
        "mlock-not-mapped": (mlock, (holed.page_addr(1), PAGE_SIZE), "ENOMEM"),
        "mlock2-flags-unknown": (mlock2, (start, size, 2), "EINVAL"),
        "mlock2-hole": (mlock2, (holed.addr, size, MLOCK_ONFAULT), "ENOMEM"),
        "munlock-length-wraps": (munlock, (start, -PAGE_SIZE), "EINVAL"),
        "munlock-hole": (munlock, (holed.addr, size), "ENOMEM"),
        "mlockall-nothing": (mlockall, (0,), "EINVAL"),
        "mlockall-onfault-alone": (mlockall, (MCL_ONFAULT,), "EINVAL"),
        "mlockall-flags-unknown": (mlockall, (1 << 3,), "EINVAL"),
        "mlock-unaligned": (mlock, (start + 1, PAGE_SIZE), OK),
        "mlock-good": (mlock, (start, size), OK),
        "mlock2-good": (mlock2, (start, size, MLOCK_ONFAULT), OK),
        "munlock-good": (munlock, (start, size), OK),
        "mlockall-good": (mlockall, (ALL,), OK),
        "munlockall-good": (munlockall, (), OK),
    }
    assert child(found, cases) == expected(cases)
    memory.verify()


@requirement("REG-12")
@core
@places
def test_limit(on: Callable[[str], Mapping], child: ChildFactory, letter: str) -> None:
    """ENOMEM beyond RLIMIT_MEMLOCK, EPERM where it is 0; neither with CAP_IPC_LOCK."""
    memory = on(letter)
    start, size = memory.addr, memory.nbytes
    one: Cases = {
        "mlock-of-what-may-be": (mlock, (start, PAGE_SIZE), OK),
        "mlock": (mlock, (start, size), "ENOMEM"),
        "mlock2": (mlock2, (start, size, MLOCK_ONFAULT), "ENOMEM"),
        "mlockall": (mlockall, (ALL,), "ENOMEM"),
        "munlock": (munlock, (start, size), OK),
    }
    assert child(found, one, PAGE_SIZE, uid=NOBODY) == expected(one), "one page is the limit"
    nothing: Cases = {name: (*row[:2], "EPERM") for name, row in one.items() if name != "munlock"}
    assert child(found, nothing, 0, uid=NOBODY) == expected(nothing), "nothing is the limit"
    every: Cases = {name: (*row[:2], OK) for name, row in one.items()}
    assert child(found, every, 0) == expected(every), "the control, with privilege"
    memory.verify()


@requirement("REG-12")
@places
def test_no_page_to_be_had(ordinary: dict[str, int], p: PrivateNode, letter: str) -> None:
    """A page that cannot be had is EAGAIN; what the call itself needs, ENOMEM. Nobody is killed for it."""
    if not failing.available():
        pytest.skip("needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS")
    seen = []
    with failing.failing() as refuse:
        for nth in range(1, DEEPEST):
            with Mapping.anonymous(4) as memory:
                memory.bind(Mode.BIND, [{**ordinary, "P": p.nid}[letter]])
                seen.append(refuse.once(nth, lambda memory=memory: mlock(memory.addr, memory.nbytes)))
    found = {attempt.outcome for attempt in seen if attempt.hit}
    # For a page of P, the policy may ask a second time, which is not refused.
    assert letter == "P" or "EAGAIN" in found, f"by the allocation that was refused: {seen}"
    assert found <= {"EAGAIN", "ENOMEM", OK}, f"{seen}"
    assert seen[-1].outcome == OK, f"the control, nothing refused: {seen[-1]}"
