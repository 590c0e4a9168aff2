# SPDX-License-Identifier: GPL-2.0-only
"""Why a guest went away: from what its wrapper noted, its console, or an inquest, to a kind, one line and an
excerpt."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import testmarks
from tools.guest import console
from tools.guest.inquest import Finding
from tools.report.events import Kind, Outcome

__all__ = ["KERNEL_DEATHS", "Death", "boot_directory", "boot_number", "examine"]

#: Deaths that are the kernel's own doing, whether or not a test was running. A guest that was killed because
#: nothing happened on it, though it answered, is not among them: without a test, nobody knows who hung.
KERNEL_DEATHS = frozenset({Kind.PANIC, Kind.OOPS, Kind.KERNEL_HANG})

#: Seconds. The wrapper notes the reason when it sees QEMU end, which can be after the worker's channel
#: closed.
PATIENCE = 3.0

#: First word of the reason in state.json. What is not here ("killed" from outside, "qemu", "worker", "reset")
#: is no word from the kernel.
_KINDS = {"panic": Kind.PANIC, "nmi": Kind.PANIC, "oops": Kind.OOPS}
#: Who is found to hang.
_HANGS = {"test": Kind.TEST_HANG, "kernel": Kind.KERNEL_HANG, "machine": Kind.GUEST_LOST}
#: The host's doing, or the test's own: an end of QEMU or of the wrapper (which then notes nothing), an exit
#: of the interpreter, a reboot. A signal is an answer of the kernel, and so is a machine that resets without
#: a word.
_NOT_THE_KERNEL = re.compile(r"killed:|qemu:|silent:|reboot:|worker: exit ")
#: Of the stacks or registers of a hang, within what an event holds beside the console's excerpt.
_HANG_LINES = 200


@dataclass(frozen=True)
class Death:
    """What is known of a guest's end. `console` is relative to the run directory."""

    kind: Kind
    reason: str
    excerpt: str = ""
    console: str | None = None
    boot: int | None = None
    outcome: Outcome = Outcome.FAIL  # of the test that ran: ERROR when the kernel had no part in it


def boot_directory(run_dir: Path, slot: int | None) -> Path | None:
    """Directory of the guest that the slot has now (RUN/guests/slot<k>/boot<j>); None before its first
    boot."""
    if slot is None:
        return None
    try:
        return (run_dir / "guests" / f"slot{slot}" / "current").resolve(strict=True)
    except OSError:
        return None


def boot_number(directory: Path | None) -> int | None:
    """The j of boot<j>."""
    match = re.fullmatch(r"boot(\d+)", directory.name) if directory is not None else None
    return int(match[1]) if match else None


def examine(
    run_dir: Path,
    slot: int | None,
    hang: Finding | None = None,
    overdue: str | None = None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Death:
    """Find out why the slot's guest ended. `hang` is what the inquest found when the watchdog ended it, on
    account of the test `overdue`."""
    directory = boot_directory(run_dir, slot)
    if directory is None:
        if hang is None:
            return Death(Kind.GUEST_LOST, "the worker process ended")
        return Death(_HANGS[hang.who], hang.reason, hang.text, outcome=_outcome_of(hang))
    state = _final_state(directory / "state.json", sleep)
    log = directory / "console.log"
    written = console.text(log)
    found = console.death(written)
    excerpt = str(state.get("excerpt") or found.excerpt)
    where = str(log.relative_to(run_dir.resolve())) if log.exists() else None
    reason = str(state.get("reason") or f"{found.kind}: {found.text}")
    word, _, text = reason.partition(":")
    # Else it died by itself before it was ended. One that was not heard any more can have gone on to another
    # test meanwhile, and that one will be run again.
    if hang is not None and (word not in _KINDS or _went_on(written, overdue)):
        stacks = "\n".join(hang.text.splitlines()[:_HANG_LINES])
        text = "\n\n".join(part for part in (stacks, excerpt) if part)
        return Death(_HANGS[hang.who], hang.reason, text, where, boot_number(directory), _outcome_of(hang))
    kind = _KINDS.get(word, Kind.GUEST_LOST)
    if kind is Kind.GUEST_LOST:
        text = reason if word != "silent" else f"the guest ended; last line of its console: {found.text}"
    outcome = Outcome.ERROR if _NOT_THE_KERNEL.match(reason) else Outcome.FAIL
    return Death(kind, text.strip() or reason, excerpt, where, boot_number(directory), outcome)


def _went_on(written: str, overdue: str | None) -> bool:
    """Whether the console says that the last test was another one."""
    started = [name for line in written.splitlines() if (name := testmarks.started_by(line))]
    return overdue is not None and bool(started) and started[-1] != testmarks.name_of(overdue)


def _outcome_of(hang: Finding) -> Outcome:
    return Outcome.ERROR if hang.who == "machine" else Outcome.FAIL


def _final_state(path: Path, sleep: Callable[[float], None]) -> dict[str, Any]:
    """The state once it says how the guest ended, or what there is when patience is over."""
    waited = 0.0
    while True:
        state = _state(path)
        if state.get("reason") or waited >= PATIENCE:
            return state
        sleep(0.1)
        waited += 0.1


def _state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(errors="replace"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}
