# SPDX-License-Identifier: GPL-2.0-only
"""How the cost of what every test does grows: with pages, with memory that is plugged, and with nodes."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from fixtures.bench import Bench
from fixtures.private import PrivateRange
from helpers import syscalls as sc
from helpers.memory import Mapping
from helpers.testmod import TestModule
from tools.bench.inside import resident
from tools.bench.inside.clock import Variant, rounds, timed


def with_pages(pages: list[int], count: int, nodes: list[int]) -> dict[str, dict[str, list[float]]]:
    """{operation: {pages: seconds by round}}, all sizes in each round. `nodes` are two ordinary ones."""
    with ExitStack() as stack:
        found: dict[str, dict[str, Variant]] = {}
        for number in pages:
            memory = stack.enter_context(Mapping.anonymous(number, populate=True))
            for name, variant in _operations(memory, nodes).items():
                found.setdefault(name, {})[str(number)] = variant
        return {name: rounds(variants, count) for name, variants in found.items()}


def _operations(memory: Mapping, nodes: list[int]) -> dict[str, Variant]:
    addrs = memory.addrs()

    def fill() -> float:
        memory.advise(sc.MADV_DONTNEED)
        return timed(memory.touch)()

    def move() -> float:
        """There, which is measured, and back."""
        took = timed(lambda: sc.move_pages(0, addrs, [nodes[1]] * len(addrs), sc.MPOL_MF_MOVE))()
        sc.move_pages(0, addrs, [nodes[0]] * len(addrs), sc.MPOL_MF_MOVE)
        return took

    return {
        "touch": fill,
        "pagemap": timed(lambda: resident.by_pagemap(memory)),
        "move_pages query": timed(lambda: resident.by_move_pages(memory)),
        "move_pages move": move,
    }


def with_memory(blocks: list[int], count: int) -> dict[str, dict[str, list[float]]]:
    """{"plug" and "unplug": {memory blocks: seconds by round}}, on one private node."""
    with TestModule.open() as module:
        bench = Bench(module)
        try:
            return _plugs({str(number): _sized(bench, number) for number in blocks}, count)
        finally:
            bench.release()


def _sized(bench: Bench, blocks: int) -> Callable[[], list[tuple[PrivateRange, int]]]:
    return lambda: [(bench.range(0), blocks * bench.range(0).block)]


def with_nodes(count: int) -> dict[str, dict[str, list[float]]]:
    """{"plug", "unplug" and "check after a test": {private nodes: seconds by round}}. Of one block each."""
    with TestModule.open() as module:
        bench = Bench(module)
        try:
            numbers = range(1, len(bench.claim()) + 1)
            found = _plugs({str(number): _several(bench, number) for number in numbers}, count)
            found["check after a test"] = _checks(bench, count)
            return found
        finally:
            bench.release()


def _several(bench: Bench, number: int) -> Callable[[], list[tuple[PrivateRange, int]]]:
    return lambda: [(bench.range(index), bench.range(index).block) for index in range(number)]


def _plugs(
    sets: dict[str, Callable[[], list[tuple[PrivateRange, int]]]], count: int
) -> dict[str, dict[str, list[float]]]:
    """Plug each set, then unplug it; the first round warms up."""
    found: dict[str, dict[str, list[float]]] = {
        way: {name: [] for name in sets} for way in ("plug", "unplug")
    }
    for turn in range(count + 1):
        for name, ranges in sets.items():
            chosen = ranges()
            began = time.monotonic()
            for one, size in chosen:
                one.plug(size)
            plugged = time.monotonic()
            for one, _ in chosen:
                one.unplug()
            if turn:
                found["plug"][name].append(plugged - began)
                found["unplug"][name].append(time.monotonic() - plugged)
    return found


def _checks(bench: Bench, count: int) -> dict[str, list[float]]:
    """What follows each test: every plugged node closed, all of its pages free."""
    found: dict[str, list[float]] = {}
    for number in range(len(bench.ranges) + 1):
        for index in range(number):
            bench.node(index)
        if wrong := [line for _ in range(2) for line in bench.settle()]:
            raise AssertionError(f"the bench is not clean: {wrong}")
        found[str(number)] = rounds({"check": timed(bench.settle)}, count)["check"]
    return found
