# SPDX-License-Identifier: GPL-2.0-only
"""The statement of a certificate: in-toto Statement v1 with the test-result predicate v0.1, and one field of
our own in it for everything that predicate has no word for.

The form of the whole is statement.schema.json beside this file; README.md tells what a reader may rely on.
Sources: in-toto attestation framework, spec/v1/statement.md, spec/v1/README.md (parsing rules: a field named
by a URI is an extension that readers may ignore), spec/predicates/test-result.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools.certificate.choice import choice
from tools.certificate.claims import sort_out
from tools.certificate.evidence import Evidence, clean, untested
from tools.certificate.exceptions import given
from tools.certificate.waivers import Waiver
from tools.report.events import FILE
from tools.report.outcomes import named

__all__ = ["EXTENSION", "PREDICATE_TYPE", "STATEMENT_TYPE", "Issue", "build", "configuration", "remarks"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
#: Our field in the predicate; its number rises when the meaning of something in it changes.
EXTENSION = "urn:pnode-selftests:certificate:v2"

#: Of `kernel` in run-start, and of `source`, which its owner told pnode run.
KERNEL_FIELDS = (
    *("release", "version", "flavour", "architecture", "compiler", "image_sha256", "config_sha256"),
    *("base", "series", "message_id", "patchset_hash", "tree", "git_url", "git_branch", "git_commit"),
)
DEVICE_FIELDS = ("name", "address", "vendor", "device", "serial", "firmware", "volatile", "persistent")


@dataclass(frozen=True)
class Issue:
    """What the issuer adds to the evidence."""

    issued: str  # UTC, ISO 8601
    waivers: Sequence[Waiver] = ()
    profile: Mapping[str, Any] | None = None  # Profile.json()
    url: str | None = None


def utc(seconds: float) -> str:
    """2026-11-25T18:00:45Z from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(found: Evidence, issue: Issue) -> dict[str, Any]:
    """The statement about a run that refusals() let pass."""
    waived = {waiver.requirement for waiver in issue.waivers}
    lists = sort_out(found.claims, waived)
    told = _told(found, issue)
    predicate: dict[str, Any] = {
        "result": lists.result(remarks=remarks(told)),
        "configuration": configuration(told),
        "passedTests": lists.passed,
        "warnedTests": lists.warned,
        "failedTests": lists.failed,
        EXTENSION: told,
    }
    if issue.url:
        predicate["url"] = issue.url
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects(told, found.sha256),
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def subjects(told: Mapping[str, Any], results: str) -> list[dict[str, Any]]:
    """What the statement is about: the kernel's image where it is known, and the record of the run."""
    found: list[dict[str, Any]] = [{"name": FILE, "digest": {"sha256": results}}]
    image = told["kernel"].get("image_sha256")
    return [{"name": "kernel", "digest": {"sha256": image}}, *found] if image else found


def configuration(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was run, as resource descriptors."""
    version = told["suite"]["version"].replace("+", "%2B")
    found: list[dict[str, Any]] = [
        {"name": "suite", "uri": f"pkg:generic/pnode-selftests@{version}"},
        {"name": "catalogue", "digest": {"sha256": told["catalogue"]["sha256"]}},
    ]
    config = told["kernel"].get("config_sha256")
    return [*found, {"name": "kernel configuration", "digest": {"sha256": config}}] if config else found


def remarks(told: Mapping[str, Any]) -> bool:
    """Whether something was let pass other than by a waiver: by the issuer, or by who ran it."""
    return bool(told["partial"] or told["exceptions"] or not told["suite"]["clean"])


def _told(found: Evidence, issue: Issue) -> dict[str, Any]:
    run, claims = found.run, found.claims
    waived = {waiver.requirement for waiver in issue.waivers}
    told: dict[str, Any] = {
        "issued": issue.issued,
        "run": {
            "id": run["run"],
            "started": utc(run["time"]),
            "arguments": [str(word) for word in run.get("argv") or ()],
            "selection": [str(word) for word in run["selection"]],
            "repeat": run.get("repeat") or 1,
            "seed": run.get("seed"),
        },
        "suite": {"version": str(run["suite"]), "clean": clean(str(run["suite"]))},
        "catalogue": {"sha256": run["catalogue_hash"], "requirements": len(claims)},
        "dialect": run["dialect"],
        "kernel": _kernel(found),
        "topologies": {name: _topology(found, name) for name in found.verdict.topologies},
        "partial": bool(choice(map(str, run["selection"])) or untested(claims, waived)),
        "requirements": {claim.id: claim.json() for claim in claims},
        "waivers": [waiver.json() for waiver in issue.waivers],
        "exceptions": given(found.events),
    }
    if issue.profile:
        told["profile"] = dict(issue.profile)
    return told


def _kernel(found: Evidence) -> dict[str, str]:
    """What is known about the kernel; its build id is what the running one said."""
    kernel = {**(found.run.get("source") or {}), **found.run["kernel"]}
    known = {name: str(kernel[name]) for name in KERNEL_FIELDS if kernel.get(name)}
    said = [event["build_id"] for event in named(found.events, "machine") if event.get("build_id")]
    return known | ({"build_id": str(said[0])} if said else {})


def _topology(found: Evidence, name: str) -> dict[str, Any]:
    accel = next(
        (event.get("accel") for event in named(found.events, "session-start") if event["topology"] == name),
        None,
    )
    machine = found.machines(name)[0]
    counts: dict[str, int] = {}
    for test in found.verdict.tests:
        if test.topology == name:
            counts[str(test.outcome)] = counts.get(str(test.outcome), 0) + 1
    return {
        "accelerator": accel,
        "armed": sorted({fault for one in found.machines(name) for fault in one["armed"]}),
        "devices": [{key: one.get(key) for key in DEVICE_FIELDS} for one in machine["devices"]],
        "tests": dict(sorted(counts.items())),
    }
