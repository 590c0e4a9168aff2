# SPDX-License-Identifier: GPL-2.0-only
"""Which suites apt takes packages from: sources.list(5), as far as a suite's name goes."""

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["suites"]

#: Files of another name are ignored by apt, such as what an editor or an administrator has put aside.
_NAME = re.compile(r"[A-Za-z0-9_.-]+\.(?:list|sources)")
_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s*)?\S+\s+(\S+)")
_OFF = {"no", "false", "without", "off", "disable", "0"}


def suites(main: Path, directory: Path) -> set[str]:
    """The suites with binary packages that sources.list and the files beside it name and do not disable."""
    beside = [path for path in directory.glob("*") if _NAME.fullmatch(path.name)]
    found: set[str] = set()
    for path in (main, *beside):
        if path.is_file():
            text = path.read_text(errors="replace")
            found |= set(_of_stanzas(text) if path.suffix == ".sources" else _of_lines(text))
    return found


def _of_lines(text: str) -> Iterator[str]:
    """deb [options] URI suite component..."""
    for line in text.splitlines():
        if entry := _LINE.match(line.partition("#")[0].strip()):
            yield entry[1]


def _of_stanzas(text: str) -> Iterator[str]:
    """Paragraphs of `Field: value`, where a line that begins with a blank continues the one before."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "").strip().lower() not in _OFF:
            yield from fields.get("suites", "").split()
