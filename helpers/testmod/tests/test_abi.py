# SPDX-License-Identifier: GPL-2.0-only
"""The ABI as cffi understands it is the ABI as a C compiler does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.testmod.abi import CONSTANTS, ENUMS, HEADER, REQUESTS, ffi, ioc

TEXT = HEADER.read_text(encoding="ascii")
STRUCTS = re.findall(r"^struct (\w+) \{", TEXT, re.M)

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What gcc makes of the header: sizes, offsets, request numbers, enumerators."""
    lines = []
    for struct in STRUCTS:
        lines.append(f'printf("{struct} %zu\\n", sizeof(struct {struct}));')
        for field, _ in ffi.typeof(f"struct {struct}").fields:
            lines.append(f'printf("{struct}.{field} %zu\\n", __builtin_offsetof(struct {struct}, {field}));')
    lines += [f'printf("{name} %lu\\n", (unsigned long)PNT_{name});' for name in REQUESTS]
    lines += [f'printf("{name} %ld\\n", (long){name});' for name in CONSTANTS]
    folder = tmp_path_factory.mktemp("abi")
    source, program = folder / "abi.c", folder / "abi"
    source.write_text(
        f'#include <stdio.h>\n#include "{HEADER}"\nint main(void) {{\n' + "\n".join(lines) + "\nreturn 0; }\n"
    )
    subprocess.run(["gcc", "-Wall", "-Wpadded", "-Werror", "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


def test_header_has_all_requests() -> None:
    assert sorted(request.index for request in REQUESTS.values()) == list(range(CONSTANTS["PNT_NR_COUNT"]))


@needs_gcc
@pytest.mark.parametrize("struct", STRUCTS)
def test_sizes_and_offsets(compiled: dict[str, int], struct: str) -> None:
    assert ffi.sizeof(f"struct {struct}") == compiled[struct]
    for field, info in ffi.typeof(f"struct {struct}").fields:
        assert info.offset == compiled[f"{struct}.{field}"], field


@needs_gcc
@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_request_numbers(compiled: dict[str, int], name: str) -> None:
    assert REQUESTS[name].number == compiled[name]


@needs_gcc
def test_constants(compiled: dict[str, int]) -> None:
    assert {name: compiled[name] for name in CONSTANTS} == CONSTANTS


def test_structs_have_whole_words() -> None:
    """A 32-bit program must see the same layout: all 64-bit fields aligned, sizes in words of 8 bytes."""
    for struct in STRUCTS:
        kind = ffi.typeof(f"struct {struct}")
        wide = [info.offset for _, info in kind.fields if _element_size(info.type) == 8]
        assert all(offset % 8 == 0 for offset in wide), struct
        if wide:
            assert ffi.sizeof(kind) % 8 == 0, struct


def _element_size(kind: object) -> int:
    while getattr(kind, "kind", "") == "array":
        kind = kind.item  # type: ignore[attr-defined]
    return int(ffi.sizeof(kind))


def test_structs_have_no_pointers() -> None:
    for struct in STRUCTS:
        for field, info in ffi.typeof(f"struct {struct}").fields:
            assert info.type.kind != "pointer", f"{struct}.{field}"


def test_enumerators_are_unique() -> None:
    assert len(CONSTANTS) == sum(len(enum) for enum in ENUMS.values())


def test_ioc_matches_a_known_number() -> None:
    assert ioc(2, 0x01, 4, ord("f")) == 0x80046601  # FS_IOC_GETFLAGS of a 32-bit long


def test_kbuild_builds_all_sources() -> None:
    folder = HEADER.parent
    kbuild = (folder / "Kbuild").read_text().replace("\\\n", " ")
    match = re.search(r"^pnode_test-y := (.*)$", kbuild, re.M)
    assert match
    assert sorted(match[1].split()) == sorted(p.with_suffix(".o").name for p in _sources(folder))


def test_sources_never_compare_versions() -> None:
    for path in [*_sources(HEADER.parent), HEADER.parent / "Kbuild", HEADER.parent / "pnt.h"]:
        assert not re.search(r"LINUX_VERSION|KERNEL_VERSION", path.read_text()), path.name


def _sources(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.c") if not path.name.endswith(".mod.c")]
