# SPDX-License-Identifier: GPL-2.0-only
"""Page contents that name their page, so that a wrong page tells where it came from."""

import struct

from helpers.syscalls import PAGE_SIZE

HEADER = struct.Struct("<8sQQQ32s")  # 64 bytes: magic, page index, seed, check word, filler
MAGIC = b"PNODEPAT"
_MIX = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def header(index: int, seed: int) -> bytes:
    """The 64 bytes at the start of page `index` after touch(seed)."""
    check = (index * _MIX + seed) & _WORD
    return HEADER.pack(MAGIC, index, seed & _WORD, check, check.to_bytes(8, "little") * 4)


def page_pattern(index: int, seed: int) -> bytes:
    """A whole page of pattern: the header over and over, so every line names page and seed."""
    return header(index, seed) * (PAGE_SIZE // HEADER.size)


def describe(data: bytes) -> str:
    """What a page starting with these bytes seems to be, for messages."""
    if not any(data):
        return "all zeroes"
    magic, index, seed, _check, _fill = HEADER.unpack(data[: HEADER.size])
    if magic == MAGIC:
        text = f"the pattern of page {index}, seed {seed}"
        return text if data[: HEADER.size] == header(index, seed) else f"a damaged copy of {text}"
    return f"foreign bytes {data[:16].hex()}..."
