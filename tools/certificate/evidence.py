# SPDX-License-Identifier: GPL-2.0-only
"""A finished run as evidence: what its record says, and everything that keeps it from being certified."""

import hashlib
import re
import shlex
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.dialect import SUPPORTED
from tools.certificate.choice import choice
from tools.certificate.claims import Claim, sort_out
from tools.errors import UserError
from tools.report.events import FILE, SCHEMA, Event, Outcome, read
from tools.report.outcomes import named
from tools.report.record import meaning
from tools.report.verdict import RequirementLike, Verdict, as_event, judge

__all__ = ["Allowed", "Evidence", "clean", "load", "refusals"]

#: Told otherwise than as a failure, or none.
_NO_FAILURE = (Outcome.PASS, Outcome.SKIP, Outcome.MISS, Outcome.FLAKY)
_FATAL = ("usage", "collection", "interrupted", "internal")
#: With a hash of what is changed, or as older records have it (tools/cli/version.py).
_DIRTY = re.compile(r"-dirty(-[0-9a-f]+)?$")
_SHOWN = 5  # names in one line


@dataclass(frozen=True)
class Allowed:
    """What the issuer lets pass, and the certificate tells."""

    waived: frozenset[str] = frozenset()
    dirty: bool = False  # a suite with local changes, or of unknown version
    partial: bool = False  # a choice of tests, or requirements of level must without any test in this run


@dataclass(frozen=True)
class Evidence:
    """The events of a record, its sha256, and what they mean by a catalogue."""

    events: tuple[Event, ...]
    damaged: int
    sha256: str
    verdict: Verdict

    @property
    def run(self) -> Event:
        """The run-start event."""
        return self.verdict.run

    @cached_property
    def claims(self) -> list[Claim]:
        """Each requirement of the catalogue, and what else tests claimed to show."""
        return [Claim.of(row) for row in self.verdict.requirements]

    def machines(self, topology: str) -> list[Event]:
        """What the guests of a topology, or this machine, found themselves to be."""
        return [event for event in named(self.events, "machine") if event.get("topology") == topology]


def load(path: Path, catalogue: Iterable[RequirementLike]) -> Evidence:
    """Read a results.jsonl, or the one of a run's directory. Raises UserError when there is none."""
    path = path / FILE if path.is_dir() else path
    try:
        # Only once, so that what is hashed is what is judged.
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        recording = read(path)
        again = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; give the directory of a run") from None
    if sha256 != again:
        raise UserError(f"{path}: is being written; wait until the run has ended")
    with meaning(path):
        verdict = judge(recording.events, list(catalogue))
    return Evidence(tuple(recording.events), recording.damaged, sha256, verdict)


def clean(suite: str) -> bool:
    """Whether a suite's version names a commit, and nothing but that."""
    _, plus, commit = suite.partition("+")
    return bool(plus and commit) and not _DIRTY.search(commit)


def refusals(found: Evidence, catalogue_hash: str, allowed: Allowed) -> list[str]:
    """Why a run cannot be certified, a line each; empty when it can."""
    if reason := _no_run(found):
        return [reason]
    return [
        *_provenance(found, catalogue_hash, allowed),
        *_incomplete(found),
        *_chosen(found, allowed),
        *_broken_on_purpose(found),
        *_deviations(found, allowed),
    ]


def _no_run(found: Evidence) -> str | None:
    """What makes every other question pointless."""
    starts = list(named(found.events, "run-start"))
    if len(starts) != 1:
        return f"the record has {len(starts)} run-start events: it is not that of one run"
    if found.run.get("schema") != SCHEMA:
        return f"the record has schema {found.run.get('schema')}, this suite reads {SCHEMA}"
    faults = [test for test in found.verdict.tests if test.nodeid.startswith("faults::")]
    if faults or any(named(found.events, "faults")):
        return "a run of pnode faults, which breaks its kernel on purpose; certify one of pnode run"
    return None


def _provenance(found: Evidence, catalogue_hash: str, allowed: Allowed) -> Iterator[str]:
    run = found.run
    if run.get("catalogue_hash") != catalogue_hash:
        yield (
            f"catalogue {str(run.get('catalogue_hash'))[:12]} of the run is not that of this checkout "
            f"({catalogue_hash[:12]}); certify with the suite that ran, {run.get('suite')}"
        )
    suite = str(run.get("suite") or "")
    if not clean(suite) and not allowed.dirty:
        yield (
            f"suite version {suite or 'unknown'} names no commit without changes; run a clean checkout, or "
            "--allow-dirty, which the certificate tells"
        )
    if run.get("dialect") not in SUPPORTED:
        yield f"dialect {run.get('dialect')} is not certified"
    if not (run.get("kernel") or {}).get("release") or not run.get("run") or not run.get("time"):
        yield "the record's run-start does not name the kernel, the run or its time"


def _incomplete(found: Evidence) -> Iterator[str]:
    ends = list(named(found.events, "run-end"))
    if found.damaged:
        yield f"{found.damaged} lines of the record are damaged"
    if not ends:
        yield "incomplete: the run has not ended (no run-end)"
    elif (ends[-1].get("counts"), ends[-1].get("requirements")) != _ending(found.verdict):
        yield "the end of the record does not fit its events: edited, or of another catalogue"
    sessions = {event.get("topology") for event in named(found.events, "session-end")}
    for topology in found.verdict.topologies:
        if topology in found.verdict.unplanned:
            yield f"incomplete: topology {topology} was lost, none of its tests ran"
        elif topology not in sessions:
            yield f"incomplete: the session on {topology} has not ended"
    if missed := [test.nodeid for test in found.verdict.tests if test.outcome is Outcome.MISS]:
        yield f"incomplete: {_counted(missed, 'planned test')} without a result: {_some(missed)}"
    for problem in found.verdict.problems:
        if problem.get("kind") in _FATAL:
            yield f"incomplete: {problem.get('kind')}: {str(problem.get('message')).partition(chr(10))[0]}"
    if not found.verdict.tests:
        yield "incomplete: no test ran"


def _chosen(found: Evidence, allowed: Allowed) -> Iterator[str]:
    """A choice of tests may have left out just those that fail, and each requirement keep another one."""
    words = found.run.get("selection")
    if words is None:
        yield "the record does not tell which tests were chosen (an older pnode?); run it again"
    elif choice(map(str, words)) and not allowed.partial:
        yield (
            f"the run had a choice of tests: {shlex.join(map(str, words))}; run all of them, or --partial, "
            "which the certificate tells"
        )


def _ending(verdict: Verdict) -> tuple[Any, Any]:
    told = as_event(verdict)
    return told["counts"], told["requirements"]


def _broken_on_purpose(found: Evidence) -> Iterator[str]:
    release = (found.run.get("kernel") or {}).get("release")
    for topology in found.verdict.topologies:
        if topology in found.verdict.unplanned:
            continue  # lost, and told as such
        machines = found.machines(topology)
        if not machines:
            yield f"the record does not tell what machine {topology} was (an older pnode?); run it again"
        for machine in machines:
            yield from _machine(machine, f"{topology}{_slot(machine)}", release)
        if len({machine.get("build_id") for machine in machines}) > 1:
            yield f"the guests of {topology} ran different kernels"


def _machine(machine: Mapping[str, Any], where: str, release: str | None) -> Iterator[str]:
    if error := machine.get("error"):
        yield f"{where} could not tell what it is: {error}"
    elif not isinstance(machine.get("devices"), list):
        yield f"{where} did not tell its devices"
    elif machine.get("armed") is None:
        yield f"{where} could not tell whether its kernel is broken on purpose"
    elif armed := machine["armed"]:
        yield f"{where} ran a kernel that is broken on purpose: {_some(armed)}"
    if not machine.get("error") and machine.get("release") != release:
        yield f"{where} ran kernel {machine.get('release')}, the run is of {release}"


def _slot(machine: Mapping[str, Any]) -> str:
    return "" if machine.get("slot") is None else f" slot{machine['slot']}"


def _deviations(found: Evidence, allowed: Allowed) -> Iterator[str]:
    if flaky := [test.nodeid for test in found.verdict.tests if test.outcome is Outcome.FLAKY]:
        yield f"{_counted(flaky, 'test')} FLAKY: {_some(flaky)}"
    for test in found.verdict.tests:
        if test.outcome not in _NO_FAILURE and not test.requirements:
            yield f"{test.outcome} {test.topology} {test.nodeid}, which no waiver can cover"
    unknown = [row.id for row in found.verdict.requirements if not row.known]
    if unknown:
        yield f"tests claim what the catalogue does not have: {_some(unknown)}"
    lists = sort_out(found.claims, allowed.waived)
    by_id = {claim.id: claim for claim in found.claims}
    for name in lists.failed:
        if by_id[name].verdict not in _NO_FAILURE:
            yield f"{name} (must) is {by_id[name].verdict}, and no waiver covers it"
    if not allowed.partial and (names := untested(found.claims, allowed.waived)):
        yield (
            f"{_counted(names, 'must requirement')} without any test in this run: {_some(names)}; run all "
            "topologies and tests, or --partial, which the certificate tells"
        )


def untested(claims: Iterable[Claim], waived: Container[str] = ()) -> list[str]:
    """The requirements of level must of which nothing was selected."""
    return [
        claim.id
        for claim in claims
        if claim.level != "should" and claim.verdict is Outcome.NONE and claim.id not in waived
    ]


def _counted(names: list[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
