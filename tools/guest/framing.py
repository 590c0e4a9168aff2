# SPDX-License-Identifier: GPL-2.0-only
"""What a guest's worker may send: execnet's messages. A test can write to the worker's channel as well.

Bytes that are no message would make the host wait for gigabytes that never come, or end the thread that
reads them, and with it the results of all later tests. Format: execnet/gateway_base.py, Message: a byte of
code, four of channel and four of length (big endian, signed), then the data; one byte "1" before the first.
"""

from __future__ import annotations

import struct

GREETING = b"1"
_HEADER = struct.Struct("!bii")
# CHANNEL_DATA, CHANNEL_CLOSE, CHANNEL_CLOSE_ERROR, CHANNEL_LAST_MESSAGE: the others go the other way only.
_CODES = frozenset({4, 5, 6, 7})
# Channels are counted from 1, and there is one a session; a report with all its output has a few MB.
_MOST_CHANNELS = 1 << 16
_MOST_BYTES = 256 << 20
_SHOWN = 40


class Garbage(Exception):
    """Bytes where a message should begin, after so many of `whole` ones."""

    def __init__(self, what: str, whole: int = 0) -> None:
        super().__init__(what)
        self.whole = whole


class Framing:
    """Follows the messages of one worker."""

    def __init__(self) -> None:
        self._greeted = False
        self._header = b""
        self._left = 0  # bytes of the current message

    def feed(self, data: bytes) -> None:
        """Look at what came. Raises Garbage with its first bytes when that can be no message; `whole` is how
        many of `data` belong to messages before it."""
        given = len(data)
        if not self._greeted and data:
            if not data.startswith(GREETING):
                raise Garbage(f"{data[:_SHOWN]!r} where its greeting should be")
            self._greeted, data = True, data[len(GREETING) :]
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left, data = self._left - taken, data[taken:]
                continue
            wanted = _HEADER.size - len(self._header)
            self._header, data = self._header + data[:wanted], data[wanted:]
            if len(self._header) == _HEADER.size:
                self._begin(data, max(0, given - len(data) - _HEADER.size))

    def _begin(self, rest: bytes, whole: int) -> None:
        code, channel, length = _HEADER.unpack(self._header)
        if code not in _CODES or not 0 < channel < _MOST_CHANNELS or not 0 <= length <= _MOST_BYTES:
            raise Garbage(f"{(self._header + rest)[:_SHOWN]!r} where a message should begin", whole)
        self._header, self._left = b"", length
