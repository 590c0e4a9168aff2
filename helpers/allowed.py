# SPDX-License-Identifier: GPL-2.0-only
"""Splats that are no finding in a certain environment. They are written in TOML (tools/known), and travel to
where the tests run as JSON; what a test provokes itself is marked in the test (`allow_splat`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from helpers.fingerprint import Fingerprint
from helpers.kmsg import Splat, found_in

__all__ = ["DURING", "TEST", "Allowed", "decode", "encode", "first_match"]

TEST = "test"
#: When a splat can be seen.
DURING = (TEST, "boot", "between")


@dataclass(frozen=True)
class Allowed:
    """Which splats are meant: all that is given has to fit.

    name    where the entry stands, for people; splat: a fingerprint's digest; text: a regular expression,
    looked for in the whole splat; kind: as in helpers/splats.toml; during: test, boot, or between (two tests)
    """

    name: str
    reason: str
    splat: str | None = None
    text: str | None = None
    kind: str | None = None
    during: str | None = None

    def matches(self, splat: Splat, fingerprint: Fingerprint, during: str) -> bool:
        """Whether it is about this splat."""
        return (
            (self.splat is None or self.splat == fingerprint.digest)
            and (self.kind is None or self.kind == splat.kind)
            and (self.during is None or self.during == during)
            and (self.text is None or found_in(splat, self.text))
        )


def first_match(
    entries: Iterable[Allowed], splat: Splat, fingerprint: Fingerprint, during: str = TEST
) -> Allowed | None:
    """The entry that allows this splat, None when it is a finding."""
    return next((entry for entry in entries if entry.matches(splat, fingerprint, during)), None)


def encode(entries: Sequence[Allowed]) -> str:
    """As decode() reads it."""
    return json.dumps([asdict(entry) for entry in entries])


def decode(text: str) -> list[Allowed]:
    """Entries from JSON. Raises ValueError or TypeError on anything else."""
    return [Allowed(**row) for row in json.loads(text)]
