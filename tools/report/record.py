# SPDX-License-Identifier: GPL-2.0-only
"""A record as somebody names it: read, or refused in one line that says what it is instead."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import UserError
from tools.report.events import FILE, SCHEMA, Recording, read
from tools.report.outcomes import named

__all__ = ["load", "meaning"]


def load(path: Path, prefix: str = "") -> Recording:
    """Read the record of a run, by its directory or by its file. `prefix` goes before what is complained of
    ("A " of two runs). Raises UserError for what is none, cannot be read, or is of another version."""
    record = path / FILE if path.is_dir() else path
    if not path.exists():
        raise UserError(f"{prefix}{path}: no such run; give the directory of a run, such as runs/2026...")
    if not record.is_file():
        raise UserError(f"{prefix}{path}: no {FILE} in it; give the directory of a run")
    try:
        found = read(record)
    except OSError as error:
        raise UserError(f"{prefix}{record}: {error.strerror}") from error
    if not found.events:
        what = "not the record of a run" if found.damaged else "empty"
        raise UserError(f"{prefix}{record}: {what}; give the directory of a run")
    for start in named(found.events, "run-start"):
        schema = start.get("schema", SCHEMA)
        if schema != SCHEMA:
            raise UserError(
                f"{prefix}{record}: events of version {schema}, this pnode reads {SCHEMA}; use its own"
            )
    return found


@contextmanager
def meaning(path: Path, prefix: str = "") -> Iterator[None]:
    """Turn what events that lack a field, or have another kind of value in it, do to their reader into a
    UserError. Only around what reads events and does nothing else."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{prefix}{path}: not the record of a run of this pnode ({reason})") from error
