# SPDX-License-Identifier: GPL-2.0-only
"""Text of tests and kernels, made fit for the forms that others read."""

from __future__ import annotations

import re

__all__ = ["clean", "clip_bytes", "one_line"]

#: What XML 1.0 does not allow or advises against: controls, lone surrogates, code points that are no
#: characters. Kernel logs and test output hold them all; junit-xml would drop them without a mark.
_NO_CHARACTERS = "".join(
    chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)
)
_ILLEGAL = re.compile(
    f"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef{_NO_CHARACTERS}]"
)
_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


def clean(text: str) -> str:
    """The text in characters that every form allows; colour codes go, others become question marks."""
    return _ILLEGAL.sub("?", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    """The same with each run of white space as one space: attributes of XML cannot keep more."""
    return " ".join(clean(text).split())


def clip_bytes(text: str, limit: int) -> str:
    """Shorten text to at most `limit` bytes of UTF-8: keeps both ends and says how much is left out.

    `limit` must leave room for that line (100 bytes do). Lone surrogates become question marks.
    """
    raw = text.encode(errors="replace")
    if len(raw) <= limit:
        return raw.decode()
    note = f"\n[... {len(raw) - limit} bytes and more left out ...]\n".encode()
    head = (limit - len(note)) // 3
    tail = limit - len(note) - head
    # A character that the cut goes through is left out as a whole.
    return b"".join((raw[:head], note, raw[-tail:])).decode(errors="ignore")
