# SPDX-License-Identifier: GPL-2.0-only
"""What a life has done so far, also when it is killed: it answers nothing then."""

import mmap
import struct
from collections import Counter

__all__ = ["Tally"]

#: A count, and the name of what is counted.
_ENTRY = struct.Struct("<Q56s")
_COUNT = struct.Struct("<Q")
_NAME_BYTES = 56
_SIZE = 256 * _ENTRY.size


class Tally:
    """Counts by name, in memory that is shared with the children that are forked after it was made. One of
    them counts; any process reads. Names are cut at 56 bytes, and there may be 256.

    The memory is touched at once: a child that is bound to a private node would have it there.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._memory[:] = bytes(_SIZE)
        self._places: dict[str, int] = {}

    def add(self, name: str, number: int = 1) -> None:
        """Count something. IndexError for the 257th name."""
        if name not in self._places:
            place = len(self._places) * _ENTRY.size
            if place == _SIZE:
                raise IndexError(f"{name}: more than {len(self._places)} names are counted")
            _ENTRY.pack_into(self._memory, place, 0, name.encode()[:_NAME_BYTES])
            self._places[name] = place
        (before,) = _COUNT.unpack_from(self._memory, self._places[name])
        _COUNT.pack_into(self._memory, self._places[name], before + number)

    def read(self) -> "Counter[str]":
        """What was counted, names with a zero left out."""
        found: Counter[str] = Counter()
        for count, name in _ENTRY.iter_unpack(self._memory[:]):
            if count:
                found[name.rstrip(b"\0").decode(errors="replace")] += count
        return found

    def close(self) -> None:
        """Nothing is counted or read any more."""
        self._memory.close()
