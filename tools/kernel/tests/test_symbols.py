# SPDX-License-Identifier: GPL-2.0-only
"""File and line of a stack's frames, from a program that is built like a kernel: static functions of one
name, inlined ones, with and without debug information."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tools.kernel import symbols
from tools.kernel.symbols import Vmlinux

SOURCES = {
    "mm/one.c": """\
__attribute__((noinline)) static int twin(int a) { return a * 3 + 7; }
static inline __attribute__((always_inline)) int small(volatile int *a) {
    return *a / 3;
}
__attribute__((noinline)) int outer(volatile int *a) {
    int b = twin(*a);
    return b + small(a);
}
const char linux_banner[] = "Linux version 6.12.0-x (me@here) (gcc) #1 SMP Sun Feb 22 00:00:00 UTC 2026";
""",
    "mm/two.c": """\
__attribute__((noinline)) static int twin(int a) { int b = 0; while (a) { b += a & 1; a >>= 1; } return b; }
int outer(volatile int *a);
int entry(volatile int *a) { return twin(*a) + outer(a); }
int main(int count, char **words) { (void)words; return entry(&count); }
""",
}


def build(folder: Path, *flags: str) -> Path:
    """A vmlinux below its source, with names relative to that, as the kernel's build has them."""
    output = folder / "build"
    output.mkdir(parents=True)
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (output / "Makefile").write_text(f"include {folder}/Makefile\n")
    argv = ["gcc", "-O2", *flags, "-no-pie", "-o", "vmlinux", *(f"../{name}" for name in SOURCES)]
    subprocess.run(argv, cwd=output, check=True)
    return output


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("with") / "linux", "-g")


def places(build_dir: Path) -> dict[str, list[tuple[int, int]]]:
    """Start and size of each symbol, as kallsyms counts."""
    text = subprocess.run(["nm", "-n", "vmlinux"], cwd=build_dir, capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines() if len(line.split()) == 3]
    starts = sorted({int(row[0], 16) for row in rows})
    found: dict[str, list[tuple[int, int]]] = {}
    for address, _, name in rows:
        start = int(address, 16)
        after = [one for one in starts if one > start]
        found.setdefault(name, []).append((start, after[0] - start if after else 0))
    return found


def line_of(file: str, text: str) -> int:
    return next(number for number, line in enumerate(SOURCES[file].splitlines(), 1) if text in line)


def test_frames_get_file_and_line(kernel):
    ((start, size),) = places(kernel)["outer"]
    calls = subprocess.run(
        ["objdump", "-d", "--disassemble=outer", "vmlinux"], cwd=kernel, capture_output=True, text=True
    ).stdout
    after_call = re.search(r"call .*\n\s+([0-9a-f]+):", calls)
    assert after_call
    offset = int(after_call[1], 16) - start
    (text,) = Vmlinux(kernel).annotate([f"[    1.0]  outer+{offset:#x}/{size:#x}\n other text"])
    where = f"(mm/one.c:{line_of('mm/one.c', 'int b = twin')})"
    assert text == f"[    1.0]  outer+{offset:#x}/{size:#x} {where}\n other text"


def test_inlined_functions_come_first(kernel):
    ((_, size),) = places(kernel)["outer"]
    (text,) = Vmlinux(kernel).annotate(
        ["\n".join(f" outer+{offset:#x}/{size:#x}" for offset in range(1, size))]
    )
    inner, outer = line_of("mm/one.c", "return *a / 3"), line_of("mm/one.c", "return b + small")
    assert f"(mm/one.c:{inner} mm/one.c:{outer})" in text


def test_static_functions_of_one_name_are_told_apart_by_size(kernel):
    sizes = sorted(size for _, size in places(kernel)["twin"])
    assert len(set(sizes)) == 2
    text = "\n".join(f" twin+0x1/{size:#x}" for size in sizes)
    one, two = Vmlinux(kernel).annotate([text])[0].split("\n")
    assert {line.partition("(")[2].partition(":")[0] for line in (one, two)} == {"mm/one.c", "mm/two.c"}


@pytest.mark.parametrize(
    "line",
    [
        " unknown+0x1/0x2",
        " outer+0x1/0x7",  # another size: another build
        " outer+0x1/0x2 [a_module]",
        "RIP: 0033:0x7fe9c42f338f",
        "nothing at all",
    ],
)
def test_what_cannot_be_known_stays_as_it_is(kernel, line):
    assert Vmlinux(kernel).annotate([line]) == [line]


def test_without_debug_information_nothing_is_said(tmp_path):
    output = build(tmp_path / "linux")
    ((_, size),) = places(output)["outer"]
    line = f" outer+0x1/{size:#x}"
    assert Vmlinux(output).annotate([line]) == [line]


def test_whose_vmlinux_it_is(kernel, tmp_path):
    version = "6.12.0-x (me@here) #1 SMP Sun Feb 22 00:00:00 UTC 2026"
    assert Vmlinux(kernel).is_of("6.12.0-x", version)
    assert not Vmlinux(kernel).is_of("6.12.0-x", version.replace("22", "23"))
    assert not Vmlinux(kernel).is_of("6.12.0", version)
    assert not Vmlinux(tmp_path).is_of("6.12.0-x", version)
    (tmp_path / "vmlinux").touch()
    assert not Vmlinux(tmp_path).is_of("6.12.0-x", version)


def test_it_takes_no_longer_than_it_may(kernel, tmp_path, monkeypatch):
    slow = tmp_path / "addr2line"
    slow.write_text("#!/bin/sh\necho 0x1\necho /x.c:1\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(symbols, "PATH", f"{tmp_path}:{symbols.PATH}")
    ((_, size),) = places(kernel)["outer"]
    began = time.monotonic()
    asked = Vmlinux(kernel, seconds=1.0)
    assert asked.annotate([f" outer+0x1/{size:#x}"]) == [f" outer+0x1/{size:#x}"]
    assert asked.annotate([f" entry+0x1/{size:#x}"]) == [f" entry+0x1/{size:#x}"]
    assert time.monotonic() - began < 20
