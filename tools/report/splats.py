# SPDX-License-Identifier: GPL-2.0-only
"""Writes what the kernel complained about as events: what the tests found in their part of the log, and what
is on the consoles where no test looks: at boot, between two tests, after the last one, and in the part of a
test whose guest died.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers import kmsg
from helpers.allowed import Allowed, first_match
from helpers.fingerprint import fingerprint_of
from tools.report.consoles import Console, Part, records
from tools.report.crash import boot_directory, boot_number
from tools.report.events import RunLog, clip

__all__ = ["PROPERTY", "Splats"]

#: Name of the user property by which a test tells of a splat (fixtures/kernel_log.py).
PROPERTY = "splat"
#: Room for the lines of one splat, in characters.
TEXT_LIMIT = 32 * 1024


class Splats:
    """The splats of a session. `allowed`: entries for splats outside tests; tests apply them themselves."""

    def __init__(self, log: RunLog, topology: str, run_dir: Path, allowed: Sequence[Allowed] = ()) -> None:
        self._log, self._topology, self._run_dir = log, topology, run_dir
        self._allowed = tuple(allowed)
        self._consoles: dict[Path, Console] = {}
        self._ended: set[Path] = set()
        self._of_dead: dict[str, list[str]] = {}
        # The same lines again and again would fill the record.
        self._told = {event["digest"] for event in log.events if event["event"] == "splat"}

    def place(self, nodeid: str, slot: int | None) -> tuple[str | None, list[int] | None]:
        """Where a test that is over stands: its guest's console, relative to the run's directory, and its
        first and last line there. Also records what came before the test."""
        directory = boot_directory(self._run_dir, slot)
        if directory is None:
            return None, None
        console = self._follow(directory)
        self._outside(console, directory, slot)
        found = console.part(nodeid)
        return (self._relative(console.path), list(found)) if found else (None, None)

    def of_test(
        self, nodeid: str, slot: int | None, properties: Iterable[Sequence[str]]
    ) -> tuple[list[list[str]], list[str]]:
        """Record the splats that a test told of. Returns its other properties, and the digests of the splats
        that nobody allows."""
        rest: list[list[str]] = []
        bad = self._of_dead.pop(nodeid, [])
        directory = boot_directory(self._run_dir, slot)
        place: dict[str, object] = {"slot": slot, "boot": boot_number(directory)}
        if directory is not None:
            place["console"] = self._relative(directory / "console.log")
        for name, value in properties:
            if name != PROPERTY:
                rest.append([name, value])
                continue
            row = json.loads(value)
            self._write(row, nodeid=nodeid, during="test", **place)
            if row["allowed"] is None:
                bad.append(row["digest"])
        return rest, bad

    def guest_ended(self, slot: int | None, running: str | None, *, fatal: bool = False) -> Part | None:
        """The slot's guest is gone: record what is left on its console. `running`: the test that it took
        along, whose part is returned; `fatal`: the kernel died of the last splat."""
        directory = boot_directory(self._run_dir, slot)
        if directory is None or directory in self._ended:
            return None
        self._ended.add(directory)
        console = self._follow(directory)
        self._outside(console, directory, slot, final=True, fatal=fatal)
        part = console.unfinished() if running is not None else None
        if part is not None and running is not None:
            found = self._of_part(part, directory, slot, nodeid=running, during="test", fatal=fatal)
            self._of_dead[running] = found
        return part

    def finish(self) -> None:
        """The session is over: record what the guests that are left have said. May be called again when they
        have said more."""
        for directory, console in self._consoles.items():
            if directory not in self._ended:
                console.follow()
                slot = int(directory.parent.name.removeprefix("slot"))
                self._outside(console, directory, slot, final=True)

    def _follow(self, directory: Path) -> Console:
        console = self._consoles.setdefault(directory, Console(directory / "console.log"))
        console.follow()
        return console

    def _outside(
        self, console: Console, directory: Path, slot: int | None, *, final: bool = False, fatal: bool = False
    ) -> None:
        for part in console.outside(final=final):
            during = "between" if part.after is not None else "boot"
            self._of_part(part, directory, slot, during=during, after=part.after, fatal=fatal)

    def _of_part(
        self,
        part: Part,
        directory: Path,
        slot: int | None,
        *,
        during: str,
        fatal: bool,
        **where: object,
    ) -> list[str]:
        bad = []
        found = kmsg.causes(kmsg.splats(records(part)))
        start = part.last - len(part.lines) + 1
        for splat in found:
            fingerprint = fingerprint_of(splat)
            entry = first_match(self._allowed, splat, fingerprint, during)
            row = {
                "kind": splat.kind,
                "what": fingerprint.what,
                "digest": fingerprint.digest,
                "functions": fingerprint.functions,
                "title": splat.title,
                "text": splat.text,
                "allowed": entry.reason if entry else None,
                "by": entry.name if entry else None,
            }
            self._write(
                row,
                slot=slot,
                boot=boot_number(directory),
                console=self._relative(directory / "console.log"),
                line=start + splat.seq,
                fatal=fatal and splat is found[-1],
                during=during,
                **where,
            )
            if entry is None:
                bad.append(fingerprint.digest)
        return bad

    def _write(self, row: dict[str, Any], **where: object) -> None:
        text = clip(row["text"], TEXT_LIMIT) if row["digest"] not in self._told else None
        self._told.add(row["digest"])
        fields = {"nodeid": None, "after": None, "console": None, "line": None, "fatal": False}
        self._log.write("splat", topology=self._topology, **(fields | where), **(row | {"text": text}))

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._run_dir.resolve()))
