# SPDX-License-Identifier: GPL-2.0-only
"""What runs in the guest, as far as a host can: rounds, the loops in C, the counting of others' results."""

import errno
from pathlib import Path

import pytest

from helpers import syscalls as sc
from tools.bench import native
from tools.bench.inside import calls, clock, peers

TAP = """TAP version 13
1..5
ok 1 prefault
not ok 2 is not populated
ok 3 needs two nodes # SKIP only one
    ok 1 a subtest
# ok 4 a nested one
# Totals: pass:2 fail:1 xfail:0 xpass:0 skip:1 error:0
"""


def test_rounds_take_turns_and_warm_up() -> None:
    seen: list[str] = []

    def variant(name: str) -> clock.Variant:
        return lambda: float(seen.append(name) or len(seen))

    found = clock.rounds({"a": variant("a"), "b": variant("b")}, 2)
    assert seen == ["a", "b"] * 3
    assert found == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


SHELL = """Test scope: 2% hotplug memory
\t online all hot-pluggable memory in offline state:
\t\t SKIPPED - no hot-pluggable memory in offline state
\t trying to offline 1 out of 12 memory block(s):
online->offline memory0
-> Failure
online->offline memory1
-> Success
offline->online memory1
"""


@pytest.mark.parametrize(
    ("output", "results"),
    [
        (TAP, {"passed": 3, "failed": 1, "skipped": 1}),
        (SHELL, {"passed": 2, "failed": 1, "skipped": 0}),
    ],
)
def test_others_results_are_counted(output: str, results: dict[str, int]) -> None:
    assert peers.counted(output) == results


def test_a_program_is_run_in_each_round(tmp_path: Path) -> None:
    program = tmp_path / "others"
    program.write_text("#!/bin/sh\necho ok 1 fine\nexit 3\n")
    (found,) = peers.run([str(program)], 2)
    assert (found["name"], found["passed"], found["status"], len(found["seconds"])) == ("others", 1, 3, 2)


@pytest.fixture
def library(tmp_path: Path) -> str:
    return str(native.shared(native.HERE / "loops.c", tmp_path))


def test_the_same_call_in_all_variants(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking needs no second node."""
    monkeypatch.setattr(calls, "OPERATIONS", {"query": calls.OPERATIONS["query"]})
    few, many = calls.measure(library, [1, 64], 2, 0.001, [0, 0])
    assert (few["pages"], many["pages"]) == (1, 64)
    assert set(few["seconds"]) == {"c", "raw", "call"}
    assert all(0 < value < 0.1 for values in few["seconds"].values() for value in values)


def test_an_error_in_c_is_an_error(library: str) -> None:
    sc.ffi.cdef(calls.CDEF, override=True)
    loop = calls._in_c(sc.ffi.dlopen(library).loop_mbind, 1, 4096, 0, sc.ffi.NULL, sc.ffi.NULL, 0)
    with pytest.raises(OSError, match="Invalid argument") as told:
        loop(2)
    assert told.value.errno == errno.EINVAL
