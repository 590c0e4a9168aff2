# SPDX-License-Identifier: GPL-2.0-only
"""File and line of `function+0x1a/0x40` in a kernel's stack, from its vmlinux.

By nm and addr2line, which whoever builds a kernel has: scripts/decode_stacktrace.sh calls them once for each
frame, here they look at the file once for all. A vmlinux without debug information tells nothing, and nothing
is what is then said.
"""

from __future__ import annotations

import bisect
import mmap
import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.kernel import tree

__all__ = ["Vmlinux"]

#: A place in a function; in a stack it is where a call returns to, in the title and the instruction pointer
#: it is the instruction itself. What belongs to a module is not in vmlinux.
_PLACE = re.compile(
    r"(?<![\w.$])(?P<name>[A-Za-z_$][\w.$]*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?! \[)"
)
_EXACT = re.compile(r"^(?:\[[^]]*\] ?)*(?:RIP: |E?IP: |e?pc ?: |WARNING: |BUG: )")
_LINE = re.compile(r"^(?P<file>\S.*?):(?P<line>\d+)(?: \(discriminator \d+\))?$")
#: Where nm and addr2line are.
PATH = os.environ.get("PATH", "/usr/bin:/bin")
#: Inlined functions shown for one frame, innermost first.
_MOST_INLINED = 4


class Vmlinux:
    """A kernel's vmlinux in the directory it was built in. `seconds`: what all questions together may
    take."""

    def __init__(self, build_dir: Path, seconds: float = 30.0) -> None:
        self._build, self._path = build_dir, build_dir / "vmlinux"
        self._until = time.monotonic() + seconds
        self._symbols: dict[str, list[int]] | None = None
        self._addresses: list[int] = []
        self._lines: dict[int, str] = {}

    def is_of(self, release: str, version: str) -> bool:
        """Whether this is the kernel that says so about itself (the image's version string): lines of another
        build would be wrong lines. False when it cannot be read."""
        number = version.find("#")
        try:
            with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                banner = data.find(f"Linux version {release} (".encode())
                return number >= 0 and banner >= 0 and data.find(version[number:].encode()) >= 0
        except (OSError, ValueError):  # not there, or empty
            return False

    def annotate(self, texts: Sequence[str]) -> list[str]:
        """The texts with " (file:line)" behind each place whose line is known. Raises nothing: what cannot be
        found out, or not in time, stays as it is."""
        wanted = {
            address
            for text in texts
            for line in text.split("\n")
            for place in _PLACE.finditer(line)
            if (address := self._address(place, line)) is not None
        }
        self._ask(sorted(wanted - set(self._lines)))
        return ["\n".join(self._annotated(line) for line in text.split("\n")) for text in texts]

    def _annotated(self, line: str) -> str:
        def told(place: re.Match[str]) -> str:
            address = self._address(place, line)
            where = self._lines.get(address) if address is not None else None
            return f"{place[0]} ({where})" if where else place[0]

        return _PLACE.sub(told, line)

    def _address(self, place: re.Match[str], line: str) -> int | None:
        """The address to ask for; None when the symbol is not there, or there are several that it may be."""
        offset, size = int(place["offset"], 16), int(place["size"], 16)
        found = [start for start in self._starts(place["name"]) if self._size(start) == size]
        if len(found) != 1 or offset >= size:
            return None
        # A call that does not return may be the last instruction: what follows belongs to something else.
        exact = _EXACT.match(line) is not None or offset == 0
        return found[0] + offset - (0 if exact else 1)

    def _starts(self, name: str) -> list[int]:
        if self._symbols is None:
            self._symbols = {}
            for line in self._run(["nm", "--defined-only", str(self._path)], "").splitlines():
                words = line.split()
                if len(words) == 3 and not words[2].startswith((".L", "__crc_", "__kstrtab", "__ksymtab")):
                    self._symbols.setdefault(words[2], []).append(int(words[0], 16))
            self._addresses = sorted({start for starts in self._symbols.values() for start in starts})
        return sorted(set(self._symbols.get(name, [])))

    def _size(self, start: int) -> int:
        """As the kernel counts it: up to the next symbol."""
        after = bisect.bisect_right(self._addresses, start)
        return self._addresses[after] - start if after < len(self._addresses) else 0

    def _ask(self, addresses: Sequence[int]) -> None:
        if not addresses:
            return
        question = "".join(f"{address:#x}\n" for address in addresses)
        answer = self._run(["addr2line", "--addresses", "--inlines", "--exe", str(self._path)], question)
        for block in re.split(r"(?m)^(?=0x[0-9a-f]+$)", answer):
            head, *rest = block.splitlines() or [""]
            # The last one may be cut short, when there was no more time.
            found = [self._short(match["file"], match["line"]) for one in rest if (match := _LINE.match(one))]
            if head.startswith("0x") and found:
                self._lines[int(head, 16)] = " ".join(found[:_MOST_INLINED])

    def _short(self, file: str, line: str) -> str:
        """The file as one finds it in the source tree."""
        for root in tree.roots(self._build):
            if file.startswith(f"{root}/"):
                file = file.removeprefix(f"{root}/")
        return f"{re.sub(r'^(?:[.]{1,2}/)+', '', file)}:{line}"

    def _run(self, argv: Iterable[str], question: str) -> str:
        """What a program answers, or has answered until the time was up."""
        left = self._until - time.monotonic()
        if left <= 0:
            return ""
        try:
            done = subprocess.run(
                list(argv),
                cwd=self._build,
                env={"PATH": PATH, "LC_ALL": "C"},
                input=question.encode(),
                capture_output=True,
                timeout=left,
            )
        except subprocess.TimeoutExpired as late:
            return (late.stdout or b"").decode(errors="replace")
        except OSError:
            return ""
        return done.stdout.decode(errors="replace")
