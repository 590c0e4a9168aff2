# SPDX-License-Identifier: GPL-2.0-only
"""Reads Kconfig files far enough to say why an option could not be had.

Not a solver: it finds every definition of an option and the conditions around it (`if`, `menu`,
`depends on`), and who selects it.
Grammar: Documentation/kbuild/kconfig-language.rst of the kernel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Definition:
    """One `config` entry of an option."""

    name: str
    place: str  # file:line, relative to the source
    prompt: bool = False
    in_choice: bool = False
    conditions: list[str] = field(default_factory=list)


@dataclass
class Index:
    """What all Kconfig files say, as far as it is needed."""

    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    selected_by: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # name -> (by, if)


def logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) without comments, help texts and continuation lines."""
    help_indent: int | None = None
    in_help = False
    pending = ""
    for number, raw in enumerate(path.read_text(errors="replace").splitlines(), 1):
        line = raw.expandtabs(8)
        indent = len(line) - len(line.lstrip())
        if in_help:
            if not line.strip():
                continue
            if help_indent is None and indent > 0:
                help_indent = indent
            if help_indent is not None and indent >= help_indent:
                continue
            in_help, help_indent = False, None
        if line.rstrip().endswith("\\"):
            pending += line.rstrip()[:-1] + " "
            continue
        text = " ".join((pending + line).split())
        pending = ""
        if text in ("help", "---help---"):
            in_help = True
        elif text and not text.startswith("#"):
            yield number, text


class Reader:
    """Walks the files from the top one, with the conditions that enclose the current line."""

    def __init__(self, source: Path, arch: str) -> None:
        self.source = source
        self.arch = arch
        self.index = Index()
        self.enclosing: list[tuple[str, list[str]]] = []  # (if, menu or choice; its conditions)

    def read(self, name: str) -> None:
        """Read a file and those it sources; a missing one is skipped, as in a trimmed tree."""
        path = self.source / name
        if not path.is_file():
            return
        current: Definition | None = None
        for number, text in logical_lines(path):
            word, _, rest = text.partition(" ")
            rest = rest.strip()
            if word in ("config", "menuconfig"):
                current = Definition(rest, f"{name}:{number}")
                current.conditions = [term for _, terms in self.enclosing for term in terms]
                current.in_choice = any(kind == "choice" for kind, _ in self.enclosing)
                self.index.definitions.setdefault(rest, []).append(current)
            elif word in ("if", "menu", "choice"):
                self.enclosing.append((word, [rest] if word == "if" else []))
                current = None
            elif word in ("endif", "endmenu", "endchoice"):
                if self.enclosing:
                    self.enclosing.pop()
                current = None
            elif word == "comment":
                current = Definition("", "")  # takes the depends lines that follow
            elif word in ("source", "osource", "rsource", "orsource"):
                file = rest.strip("\"'").replace("$(SRCARCH)", self.arch).replace("$SRCARCH", self.arch)
                self.read(str(Path(name).parent / file) if word.endswith("rsource") else file)
                current = None
            else:
                self.property(word, rest, current)

    def property(self, word: str, rest: str, current: Definition | None) -> None:
        """Take up a line inside an entry."""
        if word == "depends" and rest.startswith("on "):
            term = rest[3:].strip()
            if current is not None:
                current.conditions.append(term)
            elif self.enclosing:
                self.enclosing[-1][1].append(term)  # of the menu or choice itself
        elif current is None:
            return
        elif word in ("bool", "tristate", "int", "hex", "string", "prompt"):
            current.prompt = current.prompt or rest[:1] in ("'", '"')
        elif word in ("select", "imply"):
            target, _, condition = rest.partition(" if ")
            if word == "select":
                self.index.selected_by.setdefault(target.strip(), []).append((current.name, condition))


def read(source: Path, arch: str = "x86") -> Index:
    """Return what the Kconfig files of a source tree say."""
    reader = Reader(source, arch)
    reader.read("Kconfig")
    return reader.index
