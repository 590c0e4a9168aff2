# SPDX-License-Identifier: GPL-2.0-only
"""What a splat is known by: the same digest whenever the same thing goes wrong at the same place.

Kind, a detail of the title and the names of the functions at the top of the stack make it. What changes from
one boot or build to the next does not enter: addresses, offsets, pids, CPUs, names of processes, the suffixes
of a compiler (`.isra.0`, `.cold`), frames that the unwinder only guesses, functions that only report. The
rules are data, [frames] in splats.toml.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers import kmsg
from helpers.kmsg import Splat

__all__ = ["DIGITS", "Fingerprint", "fingerprint_of", "plain_lines", "stack_lines"]

DIGITS = 12  # hexadecimal, of a digest
#: "[   12.345678] ", and "[    T1] " or "[   C0] " with PRINTK_CALLER.
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ?(?:\[ *[TC]\d+\] ?)?")
_FRAME = re.compile(
    r"^\s*(?:\[<[0-9a-f]+>\]\s*)?(?P<guess>\? )?(?P<name>[A-Za-z_$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+"
)
_FUNCTION = re.compile(r"\b(?P<name>[A-Za-z_$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+")
_VARIES = re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,}\b|\d+")


@dataclass(frozen=True)
class Fingerprint:
    """`what`: kind and detail, e.g. "KASAN: slab-use-after-free". `functions`: the place, innermost first;
    empty where the splat has no stack."""

    digest: str
    what: str
    functions: tuple[str, ...]

    def __str__(self) -> str:
        place = f" in {' < '.join(self.functions)}" if self.functions else ""
        return f"{self.what}{place} [{self.digest}]"


@dataclass(frozen=True)
class _Frames:
    count: int
    begin: re.Pattern[str]
    end: re.Pattern[str]
    interrupted: re.Pattern[str]
    instruction: re.Pattern[str]
    skip: re.Pattern[str]
    also_skip: Mapping[str, re.Pattern[str]]  # by kind


@cache
def _rules() -> _Frames:
    data: dict[str, Any] = tomllib.loads(Path(__file__).with_name("splats.toml").read_text(encoding="utf-8"))
    frames = data["frames"]

    def any_of(expressions: Sequence[str]) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{one})" for one in expressions))

    return _Frames(
        count=frames["count"],
        begin=any_of(frames["begin"]),
        end=any_of(frames["end"]),
        interrupted=any_of(frames["interrupted"]),
        instruction=any_of(frames["instruction"]),
        skip=any_of(frames["skip"]),
        also_skip={kind: any_of(expressions) for kind, expressions in frames["also_skip"].items()},
    )


def plain_lines(text: str) -> list[str]:
    """The lines of a splat or a console without their time stamps."""
    return [_STAMP.sub("", line.rstrip("\r")) for line in text.split("\n")]


def fingerprint_of(splat: Splat) -> Fingerprint:
    """What this splat is known by. Never raises: one without a stack is known by its title."""
    what = _what(splat)
    functions = _functions(splat)
    place = functions or [_VARIES.sub("N", splat.title)]
    digest = hashlib.sha256("\n".join([what, *place]).encode()).hexdigest()[:DIGITS]
    return Fingerprint(digest, what, tuple(functions))


def _what(splat: Splat) -> str:
    kind = next((one for one in kmsg.rules().kinds if one.name == splat.kind), None)
    found = kind.detail.search(splat.title) if kind is not None and kind.detail is not None else None
    if found is None:
        return splat.kind
    words = " ".join(group for group in found.groups() if group)
    words = _VARIES.sub("N", _FUNCTION.sub(lambda match: _plain(match["name"]), words))
    return splat.kind if words == splat.kind else f"{splat.kind}: {words}"


def _functions(splat: Splat) -> list[str]:
    book = _rules()
    lines = plain_lines(splat.text)
    below = _below(lines)
    skip = [book.skip, *([book.also_skip[splat.kind]] if splat.kind in book.also_skip else [])]
    contexts = list(_contexts(below))
    # An unwinder without a clue guesses every frame; that is better than nothing.
    sure = [[name for _, name, guess in frames if not guess] for frames in contexts]
    stacks = sure if any(sure) else [[name for _, name, _ in frames] for frames in contexts]
    telling = [
        [name for name in stack if not any(pattern.fullmatch(name) for pattern in skip)] for stack in stacks
    ]
    # An interrupt that only reports is about what it interrupted; any other is about itself.
    stack = next(filter(None, telling), next(filter(None, stacks), []))
    first = _instruction([splat.title, *lines[: len(lines) - len(below)]])
    return list(dict.fromkeys([*([first] if first else []), *stack]))[: book.count]


def stack_lines(text: str) -> list[str]:
    """The frames of a splat's stack as they stand in it, without guesses and functions that only report where
    there are others."""
    found = [frame for frames in _contexts(_below(plain_lines(text))) for frame in frames]
    sure = [(line, name) for line, name, guess in found if not guess]
    telling = [line for line, name in sure if not _rules().skip.fullmatch(name)]
    return telling or [line for line, _ in sure] or [line for line, _, _ in found]


def _below(lines: Sequence[str]) -> Sequence[str]:
    """What stands below the line that begins the stack."""
    begin = _rules().begin
    return lines[next((number + 1 for number, line in enumerate(lines) if begin.search(line)), len(lines)) :]


def _instruction(lines: Sequence[str]) -> str | None:
    """The function at fault: of the instruction pointer, else the one that the title names."""
    book = _rules()
    for line in lines:
        if (found := book.instruction.search(line)) and (name := _FUNCTION.search(line, found.end())):
            return _plain(name["name"])
    title = _FUNCTION.search(lines[0])
    return _plain(title["name"]) if title else None


def _contexts(lines: Iterable[str]) -> Iterator[list[tuple[str, str, bool]]]:
    """Frames of the stack that begins here, an interrupt's before those of what it interrupted: line,
    function, and whether it is a guess. Registers may stand between two frames."""
    book = _rules()
    frames: list[tuple[str, str, bool]] = []
    for line in lines:
        frame = _FRAME.match(line)
        if frame is not None:
            frames.append((line, _plain(frame["name"]), frame["guess"] is not None))
        elif book.interrupted.search(line):
            yield frames
            frames = []
        elif book.end.search(line):
            break
    yield frames


def _plain(name: str) -> str:
    """Without what the compiler made of it."""
    return name.partition(".")[0]
