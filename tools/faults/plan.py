# SPDX-License-Identifier: GPL-2.0-only
"""What is run for which fault: data for the guests (fixtures/faults.py), made on the host."""

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tools.errors import UserError
from tools.kernel.faults import Fault

CONTROLS = 3  # control tests for each fault
BY_SECONDS = 30  # for each requirement that is not the fault's own


def choose(faults: Mapping[str, Fault], names: Sequence[str], everything: bool) -> list[Fault]:
    """Return the faults to arm: those named, all but the racy ones, or a sample. Raises UserError for an
    unknown name."""
    for name in names:
        if name not in faults:
            raise UserError(f"--fault {name}: no such fault (see tools/kernel/faults.toml)")
    if names:
        return [faults[name] for name in dict.fromkeys(names)]
    visible = [fault for fault in faults.values() if not (fault.unseen or fault.racy)]
    return visible if everything else [fault for fault in visible if fault.sample]


def by(faults: Iterable[Fault], requirements: Sequence[str]) -> list[Fault]:
    """Return the faults to be looked for by tests of other requirements than theirs: what these can catch."""
    return [
        replace(
            fault,
            turns_red=tuple(requirements),
            also=(*fault.also, *fault.turns_red),
            first=(),
            seconds=BY_SECONDS * len(requirements),
        )
        for fault in faults
    ]


def _number(name: str) -> int:
    """A number that is the same on every machine, and says nothing."""
    return zlib.crc32(name.encode())


def controls(fault: Fault, tests: Mapping[str, Collection[str]], count: int = CONTROLS) -> list[str]:
    """Return the control tests of a fault, always the same: tests (name -> requirements) of other chapters
    than those it may turn red, each from another chapter as far as there are enough."""
    concerned = {_chapter(name) for name in (*fault.turns_red, *fault.also)}
    free = [
        name
        for name, requirements in tests.items()
        if not fault.concerns(requirements) and not concerned & {_chapter(one) for one in requirements}
    ]
    free.sort(key=lambda name: _number(f"{fault.name} {name}"))
    return free[:count]


def _chapter(selector: str) -> str:
    return selector.partition("-")[0]


def order(faults: Iterable[Fault]) -> list[Fault]:
    """Return those first that can share a guest: the others cost a boot each."""
    return sorted(faults, key=lambda fault: fault.crashes)


def encode(faults: Sequence[Fault], tests: Mapping[str, Collection[str]], every: bool) -> str:
    """Return the plan for the guests."""
    return json.dumps([_row(fault, controls(fault, tests), every) for fault in faults])


def _row(fault: Fault, chosen: Sequence[str], every: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": fault.name,
        "requirements": list(fault.turns_red),
        "control": list(chosen),
        "first": list(fault.first),
        "alone": fault.crashes,
        "every": every,
    }
    return row | ({"seconds": fault.seconds} if fault.seconds else {})
