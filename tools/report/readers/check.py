# SPDX-License-Identifier: GPL-2.0-only
"""Gives the files of a run's directory to their readers, and says what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.report.events import FILE, read
from tools.report.finishing import verdict_of
from tools.report.readers.junit import JunitReader
from tools.report.readers.kcidb import KcidbReader
from tools.report.readers.kunit import KunitReader
from tools.report.readers.reader import NotThere, Reader
from tools.report.readers.record import SchemaReader
from tools.report.readers.tap import TapReader
from tools.report.verdict import Verdict

__all__ = ["READERS", "Checked", "check", "lines", "status"]

READERS: tuple[Reader, ...] = (SchemaReader(), KunitReader(), TapReader(), JunitReader(), KcidbReader())
#: Differences that are shown of each reader.
MOST_SHOWN = 10


@dataclass(frozen=True)
class Checked:
    """What a reader made of its file; `missing` says why it made nothing."""

    file: str
    reader: str  # with its version
    tests: int = 0
    differences: tuple[str, ...] = ()
    missing: str = ""

    @property
    def agrees(self) -> bool:
        """It has seen the same; False when it has seen nothing."""
        return not self.missing and not self.differences


def check(
    run_dir: Path, names: Collection[str] = (), catalogue: Mapping[str, Any] | None = None
) -> list[Checked]:
    """Read the files of a run with the named readers (default: all).

    Raises OSError when there is no record.
    """
    verdict = verdict_of(read(run_dir / FILE).events, catalogue)
    return [_check(reader, run_dir, verdict) for reader in READERS if not names or reader.name in names]


def _check(reader: Reader, run_dir: Path, verdict: Verdict) -> Checked:
    try:
        version = reader.version()
    except NotThere as error:
        return Checked(reader.file, reader.name, missing=str(error))
    path = run_dir / reader.file
    if not path.is_file():
        return Checked(reader.file, version, differences=("there is no such file; pnode report makes it",))
    try:
        seen = reader.read(path)
    except Exception as error:  # whatever a foreign program raises: it has not read the file
        text = str(error).strip().partition("\n")[0]
        return Checked(reader.file, version, differences=(f"cannot be read: {type(error).__name__}: {text}",))
    differences = reader.differences(seen, reader.ours(verdict))
    return Checked(reader.file, version, len(seen.tests), tuple(differences))


def lines(results: Sequence[Checked]) -> Iterator[str]:
    """A line for each reader; below it what it reads otherwise."""
    for one in results:
        if one.missing:
            yield f"{one.file}: not read by {one.reader}: {one.missing}"
        elif one.agrees:
            yield f"{one.file}: {one.reader} reads {one.tests} tests as we do"
        else:
            yield f"{one.file}: {one.reader} does not read it as we do ({one.tests} tests):"
            yield from (f"  {text}" for text in one.differences[:MOST_SHOWN])
            if len(one.differences) > MOST_SHOWN:
                yield f"  ... and {len(one.differences) - MOST_SHOWN} more"


def status(results: Sequence[Checked], names: Collection[str] = ()) -> int:
    """Exit status: 1 when a reader disagrees; 2 when none was there, or one that was named was not."""
    if any(one.differences for one in results):
        return 1
    missing = [one for one in results if one.missing]
    return 2 if missing and (names or len(missing) == len(results)) else 0
