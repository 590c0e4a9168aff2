# SPDX-License-Identifier: GPL-2.0-only
"""From a record to the reports (junit.xml, results.ktap, results.tap, kcidb.json, summary.txt, report.html)
and the exit status.

Works on the record of a run that was killed as well; what has no result is MISS there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tools.known.entry import Entry
from tools.report import junit, kcidb, ktap, summary
from tools.report.events import FILE, Event, RunLog, read
from tools.report.verdict import INCOMPLETE, UNABLE, RequirementLike, Verdict, as_event, judge

__all__ = ["finish", "verdict_of"]

#: What only a run that goes on writes.
_GOES_ON = ("resume", "guest", "test-start", "test", "problem")


def verdict_of(
    events: Iterable[Event],
    catalogue: Mapping[str, RequirementLike] | None = None,
    exceptions: Iterable[Entry] | None = None,
) -> Verdict:
    """Judge events against a catalogue (default: the repository's), with the exceptions in the record or
    with others. Raises CatalogueError when the catalogue is broken."""
    if catalogue is None:
        from helpers.catalogue import load

        catalogue = load()
    return judge(events, catalogue.values(), exceptions)


def finish(
    run_dir: Path,
    *,
    log: RunLog | None = None,
    catalogue: Mapping[str, Any] | None = None,
    stream: TextIO | None = None,
    origin: str | None = None,
    files_url: str | None = None,
    exceptions: Sequence[Entry] | None = None,
) -> int:
    """Write all reports of the run, print the summary, and return the exit status (0, 1, 2 or 3).

    `log`, when the run is still open, adds what could not be written to a full disk; the status is 3 then.
    Without it a record that has no run-end gets one, unless its run is still going on.
    `origin` and `files_url` are for kcidb.json, `exceptions` for the verdict, instead of what is on record.
    Raises OSError when there is no readable record.
    """
    stream = stream or sys.stdout
    events = log.events if log is not None else read(run_dir / FILE).events
    verdict = verdict_of(events, catalogue, exceptions)
    recorded = True
    if not _ended(events):
        recorded = _end(run_dir, log, verdict, events)
    written = [
        _write(run_dir / name, text)
        for name, text in (
            ("junit.xml", junit.render(verdict)),
            ("results.ktap", ktap.nested(verdict)),
            ("results.tap", ktap.flat(verdict)),
            ("kcidb.json", kcidb.render(verdict, events, origin=origin, files_url=files_url)),
            ("summary.txt", summary.render(verdict, run_dir)),
        )
    ]
    print(summary.render(verdict, run_dir, colour=_colour(stream)), end="", file=stream, flush=True)
    # Last: it is the largest, and what it could trip over must not take the others with it.
    from tools.report import html  # so late: jinja2 takes a tenth of a second before the first test

    page = html.render(verdict, events, getattr(catalogue, "hash", None))
    written.append(_write(run_dir / "report.html", page))
    if verdict.exit != UNABLE and not (recorded and all(written)):
        print("pnode: the record of this run is incomplete", file=stream, flush=True)
        return INCOMPLETE
    return verdict.exit


def _ended(events: Iterable[Event]) -> bool:
    """Whether the record has its end; one that the run went on after, by itself or resumed, is none."""
    ended = False
    for event in events:
        ended = event["event"] == "run-end" or (ended and event["event"] not in _GOES_ON)
    return ended


def _end(run_dir: Path, log: RunLog | None, verdict: Verdict, events: Sequence[Event]) -> bool:
    """Add run-end to the record, unless that is for somebody else to do. Returns whether the whole record
    could be written."""
    if log is not None:
        log.write("run-end", **as_event(verdict))
        return log.broken is None
    try:
        with RunLog(run_dir / FILE, alone=True) as own:
            if own.events == events:  # else it went on since they were read, and has another verdict
                own.write("run-end", **as_event(verdict))
            return own.broken is None
    except BlockingIOError:
        print(f"pnode: {run_dir}: this run is still going on; so far:", file=sys.stderr, flush=True)
        return True
    except OSError as error:  # a record kept read-only is still worth a report
        return error.errno in (errno.EROFS, errno.EACCES)


def _write(path: Path, text: str) -> bool:
    """Replace the file at once, so that no reader sees half of it."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8", errors="replace")
        draft.replace(path)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "?")
        print(f"pnode: {path}: {name}, not written", file=sys.stderr, flush=True)
        with contextlib.suppress(OSError):
            draft.unlink()
        return False
    return True


def _colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
