# SPDX-License-Identifier: GPL-2.0-only
"""Checks a certificate offline: who signed it, whether it is whole, and whether what it claims follows from
what it tells.

Each check has a name, which begins its complaint: envelope, schema, subject, catalogue, requirements, result,
complete, armed, waivers, profile, results. An envelope or schema that is wrong ends the checking.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import best_match
from securesystemslib.signer import SSlibKey

from helpers import catalogue
from helpers.dialect import SUPPORTED
from tools.certificate import envelope, evidence, statement
from tools.certificate.choice import choice
from tools.certificate.claims import FAILED, Claim, sort_out
from tools.certificate.evidence import Allowed, Evidence
from tools.certificate.profile import Profile
from tools.certificate.waivers import Waiver
from tools.errors import UserError
from tools.report.events import FILE, Outcome
from tools.report.verdict import Tally

__all__ = ["Row", "complaints", "read", "rows"]

SCHEMA = Path(__file__).with_name("statement.schema.json")


@dataclass(frozen=True)
class Row:
    """A requirement as far as a certificate tells it: enough to judge a record again, without a catalogue."""

    id: str
    level: str

    statement = ""
    source = ""

    @property
    def chapter(self) -> str:
        return self.id[:3]

    def expected(self, dialect: str) -> str | None:
        return None


def rows(told: Mapping[str, Any]) -> list[Row]:
    """The requirements of a certificate."""
    return [Row(name, row["level"]) for name, row in told["requirements"].items()]


def read(path: Path) -> Mapping[str, Any]:
    """The envelope in a file. Raises UserError when there is none."""
    try:
        data = envelope.read_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    if not isinstance(data, dict) or not set(data) >= envelope.FIELDS:
        raise UserError(f"{path}: no DSSE envelope (payload, payloadType, signatures)")
    return data


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def complaints(
    data: Mapping[str, Any], key: SSlibKey, today: date, results: Path | None = None
) -> tuple[list[str], Mapping[str, Any] | None]:
    """What is wrong with a certificate, a line each, and its statement when that could be read.

    `results`: a results.jsonl, or the directory of its run, which must lead to the same statement again.
    Raises UserError when there is no such file.
    """
    try:
        found = envelope.opened(data, key)
    except envelope.BadEnvelope as error:
        return [f"envelope: {error}"], None
    if flaw := best_match(_validator().iter_errors(found)):
        where = "/".join(str(part) for part in flaw.absolute_path) or "the statement"
        return [f"schema: {where}: {flaw.message[:200]}"], None
    try:
        wrong = [*_consistent(found), *_good(found, today)]
    except ValueError as error:  # an outcome of another version of the suite
        return [f"requirements: {error}"], None
    if results is not None:
        told = found["predicate"][statement.EXTENSION]
        wrong += _rederived(found, evidence.load(results, rows(told)))
    return wrong, found


def _consistent(found: Mapping[str, Any]) -> Iterator[str]:
    """Whether all that is said twice is the same, and all that follows from something does."""
    predicate = found["predicate"]
    told = predicate[statement.EXTENSION]
    records = [one["digest"]["sha256"] for one in found["subject"] if one["name"] == FILE]
    if len(records) != 1 or found["subject"] != statement.subjects(told, records[0]):
        yield "subject: not the kernel image and the record that the certificate names"
    if predicate["configuration"] != statement.configuration(told):
        yield "configuration: not the suite, catalogue and kernel configuration that the certificate names"
    yield from _catalogue(told)
    claims = [Claim.read(name, row) for name, row in told["requirements"].items()]
    for claim in claims:
        if str(claim.verdict) != told["requirements"][claim.id]["verdict"]:
            yield f"requirements: {claim.id} is {claim.verdict} by its tests, not as said"
        yield from _places(claim, told["topologies"])
    yield from _unclaimed(claims, told["topologies"])
    lists = sort_out(claims, {waiver["requirement"] for waiver in told["waivers"]})
    for name, wanted in (
        ("passedTests", lists.passed), ("warnedTests", lists.warned), ("failedTests", lists.failed),
    ):  # fmt: skip
        if predicate[name] != wanted:
            yield f"result: {name} does not follow from the requirements"
    if predicate["result"] != lists.result(remarks=statement.remarks(told)):
        yield f"result: {predicate['result']} does not follow from the requirements"


def _catalogue(told: Mapping[str, Any]) -> Iterator[str]:
    requirements, said = told["requirements"], told["catalogue"]
    if len(requirements) != said["requirements"]:
        yield f"catalogue: {len(requirements)} requirements, not {said['requirements']}"
    try:
        known = catalogue.load()
    except catalogue.CatalogueError:
        return  # somebody's unfinished work: nothing to compare with
    if known.hash == said["sha256"]:
        wanted = {row.id: row.level for row in known.values()}
        if {name: row["level"] for name, row in requirements.items()} != wanted:
            yield "catalogue: ids and levels of its requirements are not those of the catalogue it names"


def _places(claim: Claim, topologies: Mapping[str, Any]) -> Iterator[str]:
    """The tests of a requirement are among those of the topology."""
    for name, tally in claim.tests.items():
        if name not in topologies:
            yield f"requirements: {claim.id} has tests on {name}, where the run was not"
            continue
        there = topologies[name]["tests"]
        if any(number > there.get(str(outcome), 0) for outcome, number in tally.counts.items()):
            yield f"requirements: {claim.id} has more tests on {name} than ran there"


def _unclaimed(claims: Sequence[Claim], topologies: Mapping[str, Any]) -> Iterator[str]:
    """Each test is one of some requirement, perhaps of several."""
    for name, place in topologies.items():
        for outcome, number in place["tests"].items():
            if number > sum(claim.tests.get(name, Tally()).of(Outcome(outcome)) for claim in claims):
                yield f"requirements: {name} has tests that are {outcome} and of no requirement"


def _good(found: Mapping[str, Any], today: date) -> Iterator[str]:
    """Whether a consistent certificate is one to rely on, today."""
    predicate = found["predicate"]
    told = predicate[statement.EXTENSION]
    if predicate["result"] == FAILED or predicate["failedTests"]:
        yield "result: FAILED"
    if told["dialect"] not in SUPPORTED:
        yield f"dialect: {told['dialect']} is not certified"
    claims = [Claim.read(name, row) for name, row in told["requirements"].items()]
    for name, place in told["topologies"].items():
        if place["armed"]:
            yield f"armed: {name} ran with {', '.join(place['armed'])} broken on purpose"
        for outcome in (Outcome.MISS, Outcome.FLAKY):
            if place["tests"].get(str(outcome)):
                yield f"complete: {name} has tests that are {outcome}"
        if not place["tests"]:
            yield f"complete: no test ran on {name}"
    waived = [waiver["requirement"] for waiver in told["waivers"]]
    if told["partial"] != bool(choice(told["run"]["selection"]) or evidence.untested(claims, waived)):
        yield "complete: whether it is partial does not follow from the choice of tests and the requirements"
    if told["suite"]["clean"] != evidence.clean(told["suite"]["version"]):
        yield "suite: whether it is clean does not follow from its version"
    yield from _waivers(told, today)
    yield from _profile(told)


def _waivers(told: Mapping[str, Any], today: date) -> Iterator[str]:
    seen: set[str] = set()
    for entry in told["waivers"]:
        name = entry["requirement"]
        try:
            waiver = Waiver.of(entry)
            issued = datetime.fromisoformat(told["issued"]).date()
        except ValueError as error:
            yield f"waivers: {name}: {error}"
            continue
        if name not in told["requirements"]:
            yield f"waivers: {name} is no requirement of the catalogue"
        if name in seen:
            yield f"waivers: {name} comes twice"
        seen.add(name)
        if waiver.expired(issued):
            yield f"waivers: {name} had expired when the certificate was issued"
        elif waiver.expired(today):
            yield f"waivers: {name} expired on {waiver.expires}"


def _profile(told: Mapping[str, Any]) -> Iterator[str]:
    if entry := told.get("profile"):
        devices = [device for place in told["topologies"].values() for device in place["devices"]]
        yield from Profile(**entry | {"flags": tuple(entry["flags"])}).mismatches(devices)


def _rederived(found: Mapping[str, Any], record: Evidence) -> Sequence[str]:
    """Whether the record leads to the same statement again."""
    told = found["predicate"][statement.EXTENSION]
    records = [one["digest"]["sha256"] for one in found["subject"] if one["name"] == FILE]
    if records != [record.sha256]:
        return [f"results: sha256 {record.sha256[:16]}... is not that of the record it names"]
    waivers = tuple(Waiver.of(entry) for entry in told["waivers"])
    allowed = Allowed(frozenset(one.requirement for one in waivers), dirty=True, partial=True)
    refused = evidence.refusals(record, told["catalogue"]["sha256"], allowed)
    if refused:
        return [f"results: {reason}" for reason in refused]
    issue = statement.Issue(told["issued"], waivers, told.get("profile"), found["predicate"].get("url"))
    again = statement.build(record, issue)
    return list(_differences(again, found, "")) if again != found else []


def _differences(again: Any, found: Any, where: str) -> Iterator[str]:
    """Where two statements differ, as paths."""
    if isinstance(again, dict) and isinstance(found, dict):
        for key in sorted(set(again) | set(found)):
            yield from _differences(again.get(key), found.get(key), f"{where}/{key}")
    elif again != found:
        yield f"results: {where.lstrip('/')} does not follow from the record"
