# SPDX-License-Identifier: GPL-2.0-only
"""The fuzzer is reproducible, reaches every request, and never points at the caller's memory."""

import itertools
import re
from typing import Any

from helpers.testmod.abi import HEADER, REQUESTS, ffi
from helpers.testmod.fuzz import _BAD_POINTERS, _POINTERS, Case, Fuzzer


def cases(seed: int, count: int, **options: Any) -> tuple[Fuzzer, list[Case]]:
    fuzzer = Fuzzer(seed, nids=[1, 3], addresses=[1 << 32], sizes=[128 << 20], gfps=[0x100200], **options)
    return fuzzer, list(itertools.islice(fuzzer, count))


def test_same_seed_same_cases() -> None:
    def shapes(seed: int) -> list[tuple[str, int]]:
        return [(case.name, case.request) for case in cases(seed, 200)[1]]

    assert shapes(7) == shapes(7)
    assert shapes(7) != shapes(8)


def test_reaches_every_request() -> None:
    assert set(REQUESTS) <= {case.name for case in cases(1, 2000)[1]}


def test_leaves_out_what_it_is_told_to() -> None:
    _, got = cases(1, 500, leave_out=frozenset({"PLUG", "UNPLUG"}))
    assert not {"PLUG", "UNPLUG"} & {case.name for case in got}


def test_plugs_no_whole_block_beyond_the_range() -> None:
    end, aligned = (1 << 32) + (256 << 20), set()
    for case in cases(6, 4000, plug_end=end)[1]:
        if case.name == "PLUG" and case.sort == "fields":
            raw = ffi.new("struct pnt_plug *")
            ffi.buffer(raw)[:] = case.data
            if raw.size and not (raw.start | raw.size) % (128 << 20):
                aligned.add(raw.start + raw.size)
    assert (1 << 32) + (128 << 20) in aligned, "what may be plugged is"
    assert max(aligned) <= end


def test_data_has_the_size_of_the_request() -> None:
    for case in cases(3, 500)[1]:
        if case.sort != "numbers":
            assert len(case.data) == REQUESTS[case.name].size


def test_pointers_are_harmless() -> None:
    """Of the plausible requests; random bytes hit a mapping with a chance of nothing."""
    fuzzer, got = cases(5, 2000)
    allowed = {fuzzer._scratch, *_BAD_POINTERS}
    seen = set()
    for case in got:
        if case.sort != "fields":
            continue
        struct = REQUESTS[case.name].struct
        raw = ffi.new(f"struct {struct} *")
        ffi.buffer(raw)[:] = case.data
        for of, name in _POINTERS:
            if of == struct:
                assert getattr(raw, name) in allowed, case
                seen.add((of, name))
    assert seen == _POINTERS


def test_every_pointer_field_is_known() -> None:
    """The header marks pointers in the comment of the field."""
    struct, marked = "", set()
    for line in HEADER.read_text().splitlines():
        if match := re.match(r"struct (\w+) \{", line):
            struct = match[1]
        elif match := re.match(r"\t__u64 (\w+);\t+/\* (?:__\w+|struct \w+) \*", line):
            marked.add((struct, match[1]))
    assert marked == _POINTERS
