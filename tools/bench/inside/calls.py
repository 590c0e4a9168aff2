# SPDX-License-Identifier: GPL-2.0-only
"""mbind(2) and move_pages(2) by the suite's bindings against the same loop in C (loops.c).

Three variants of each:
    c     the loop in C
    raw   the binding with pointers to arrays that are there already, as tables of errors use it
    call  the binding as tests call it: lists of addresses and nodes in, a list of states out
"""

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from helpers import syscalls as sc
from helpers.memory import Mapping
from helpers.nodemask import NodeMask
from tools.bench.inside.clock import rounds, timed

CDEF = """
long loop_mbind(unsigned long addr, unsigned long length, int mode, const unsigned long *one,
                const unsigned long *other, unsigned long maxnode, long calls);
long loop_query(unsigned long count, void **pages, int *status, long calls);
long loop_move(unsigned long count, void **pages, const int *one, const int *other, int *status, int flags,
               long calls);
"""
BIND, MOVE = int(sc.Mode.BIND), int(sc.MPOL_MF_MOVE)
#: Seconds that so many calls take.
Loop = Callable[[int], float]
Make = Callable[[Any, Mapping, Sequence[int]], dict[str, Loop]]


def measure(
    library: str, pages: list[int], count: int, budget: float, nodes: list[int]
) -> list[dict[str, Any]]:
    """{"name", "pages", "seconds": {variant: [of a call, by round]}} for each operation and number of pages a
    call. A variant has about `budget` seconds a round; `nodes` are two ordinary ones."""
    sc.ffi.cdef(CDEF, override=True)
    loops = sc.ffi.dlopen(library)
    found = []
    for name, make in OPERATIONS.items():
        for number in pages:
            # pages on both sides of those under test: the range is a VMA of its own from the first call on
            with Mapping.anonymous(number + 2, populate=True) as memory:
                seconds = _measure(make(loops, memory, nodes), count, budget)
            found.append({"name": name, "pages": number, "seconds": seconds})
    return found


def _measure(variants: dict[str, Loop], count: int, budget: float) -> dict[str, list[float]]:
    calls = {name: _calls(loop, budget) for name, loop in variants.items()}
    found = rounds({name: partial(loop, calls[name]) for name, loop in variants.items()}, count)
    return {name: [value / calls[name] for value in values] for name, values in found.items()}


def _calls(loop: Loop, budget: float) -> int:
    """How many fit; an even number, so that everything is back in the end."""
    loop(2)
    return max(2, int(budget / max(loop(4) / 4, 1e-9)) // 2 * 2)


def _in_c(loop: Callable[..., int], *arguments: Any) -> Loop:
    def run(calls: int) -> float:
        took = int(loop(*arguments, calls))
        if took < 0:
            raise OSError(-took, os.strerror(-took))
        return took / 1e9

    return run


def _in_python(turn: Callable[[int], object]) -> Loop:
    """`turn` gets 0 and 1 in turn."""

    def run(calls: int) -> float:
        def loop() -> None:
            for number in range(calls):
                turn(number & 1)

        return timed(loop)()

    return run


def _mbind(loops: Any, memory: Mapping, nodes: Sequence[int]) -> dict[str, Loop]:
    addr, length = memory.page_addr(1), memory.nbytes - 2 * sc.PAGE_SIZE
    encoded, bits = zip(*(NodeMask([node]).encode() for node in nodes), strict=True)
    maxnode = max(bits)
    masks = [sc.ffi.new("unsigned long[]", [int.from_bytes(data, "little")]) for data in encoded]
    pointers = [sc.address_of(mask) for mask in masks]
    lists = [[node] for node in nodes]

    def raw(turn: int) -> None:
        sc.mbind(addr, length, BIND, pointers[turn], maxnode=maxnode)

    def call(turn: int) -> None:
        sc.mbind(addr, length, BIND, lists[turn])

    c = _in_c(loops.loop_mbind, addr, length, BIND, *masks, maxnode)
    return {"c": c, "raw": _in_python(raw), "call": _in_python(call)}


def _query(loops: Any, memory: Mapping, _nodes: Sequence[int]) -> dict[str, Loop]:
    addrs = memory.addrs(1, memory.pages - 2)
    number, pages, status = len(addrs), _pages(addrs), sc.ffi.new("int[]", len(addrs))
    at, to = sc.address_of(pages), sc.address_of(status)

    def raw(_turn: int) -> None:
        sc.move_pages_raw(0, number, at, 0, to, 0)

    def call(_turn: int) -> None:
        sc.move_pages(0, addrs, None)

    c = _in_c(loops.loop_query, number, pages, status)
    return {"c": c, "raw": _in_python(raw), "call": _in_python(call)}


def _move(loops: Any, memory: Mapping, nodes: Sequence[int]) -> dict[str, Loop]:
    addrs = memory.addrs(1, memory.pages - 2)
    number, pages, status = len(addrs), _pages(addrs), sc.ffi.new("int[]", len(addrs))
    lists = [[node] * number for node in reversed(nodes)]  # away from the first, and back
    targets = [sc.ffi.new("int[]", nids) for nids in lists]
    at, to = sc.address_of(pages), sc.address_of(status)
    pointers = [sc.address_of(target) for target in targets]

    def check(left: int) -> None:
        if left:
            raise OSError(errno.EBUSY, f"move_pages: {left} of {number} pages did not move")

    def raw(turn: int) -> None:
        check(sc.move_pages_raw(0, number, at, pointers[turn], to, MOVE))

    def call(turn: int) -> None:
        check(sc.move_pages_result(0, addrs, lists[turn], MOVE)[0])

    c = _in_c(loops.loop_move, number, pages, *targets, status, MOVE)
    return {"c": c, "raw": _in_python(raw), "call": _in_python(call)}


def _pages(addrs: Sequence[int]) -> Any:
    return sc.ffi.new("void *[]", [sc.ffi.cast("void *", addr) for addr in addrs])


OPERATIONS: dict[str, Make] = {"mbind": _mbind, "query": _query, "move": _move}
