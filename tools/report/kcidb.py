# SPDX-License-Identifier: GPL-2.0-only
"""KCIDB report data, as KernelCI's common database takes it: a checkout, a build, and a test object for each
test on each topology.

Written without kcidb-io, so that a run needs no more than its record; tools/report/readers validates it.
Ids are hashes of what they name: the same record gives the same ids, and two runs of one kernel share
checkout and build. Form: https://github.com/kernelci/kcidb-io, schema 5.3: no nulls, no null bytes, excerpts
of 16384 bytes at most.

KCIDB has no word for a deviation of level should: it is FAIL there, with `level` in `misc`, and who reads
decides. A test whose rounds differ is FAIL when the kernel was wrong in one of them, else ERROR, and its
`misc` says FLAKY.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from tools.report.circumstances import Circumstances, circumstances_of
from tools.report.events import Event, Outcome
from tools.report.names import block_name, paths
from tools.report.text import clean, clip_bytes, one_line
from tools.report.verdict import DEVIATION, TestVerdict, Verdict

__all__ = ["DEFAULT_ORIGIN", "EXCERPT_LIMIT", "ROOT", "VERSION", "document", "render", "status_of"]

VERSION = {"major": 5, "minor": 3}
#: First part of every test's path; the topology is the second.
ROOT = "pnode"
#: Bytes of UTF-8; KCIDB counts characters, databases behind it bytes.
EXCERPT_LIMIT = 16384
#: Who reports, where nobody says it. Those who submit have a name from KernelCI.
DEFAULT_ORIGIN = "pnode"
#: Fields of run-start's `source` by KCIDB's names for them; the others go into `misc`.
_CHECKOUT = {
    "tree": "tree_name",
    "git_url": "git_repository_url",
    "git_branch": "git_repository_branch",
    "git_commit": "git_commit_hash",
    "patchset_hash": "patchset_hash",
    "message_id": "message_id",
}
#: Facts of a kernel that tell one build from another.
_BUILD = ("image_sha256", "config_sha256", "release", "version")


def render(
    verdict: Verdict, events: Iterable[Event], *, origin: str | None = None, files_url: str | None = None
) -> str:
    """The whole document as text. `origin` and `files_url` come before what the record says."""
    data = document(verdict, events, origin=origin, files_url=files_url)
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def document(
    verdict: Verdict, events: Iterable[Event], *, origin: str | None = None, files_url: str | None = None
) -> dict[str, Any]:
    """The whole document. A record that does not say which run it is of has no objects."""
    run = verdict.run
    if not run.get("run"):
        return {"version": VERSION}
    origin = origin or run.get("origin") or DEFAULT_ORIGIN
    files_url = files_url or run.get("files_url")
    checkout = _checkout(run, origin)
    build = _build(run, origin, checkout["id"])
    around = circumstances_of(events)
    tests = list(_tests(verdict, around, origin, build["id"], files_url))
    return {"version": VERSION, **_pruned({"checkouts": [checkout], "builds": [build], "tests": tests})}


def status_of(test: TestVerdict) -> str:
    """KCIDB's word for the outcome."""
    if test.outcome is Outcome.FLAKY:
        return str(Outcome.FAIL if Outcome.FAIL in test.seen else Outcome.ERROR)
    if test.outcome is Outcome.KNOWN:
        return str(Outcome.FAIL)
    return str(test.outcome)


def _checkout(run: Event, origin: str) -> dict[str, Any]:
    source, kernel = run.get("source") or {}, run.get("kernel") or {}
    known = {name: value for name, value in sorted(source.items()) if value}
    # Where nobody says what the kernel was made from, each image stands for a source of its own.
    what = known or _build_facts(run)
    base, series = source.get("base"), source.get("series")
    about = [f"{base} with the patches of the reference kernel" if base else "", str(series or "")]
    return {
        "id": _id(origin, "checkout", what),
        "origin": origin,
        **{_CHECKOUT[name]: value for name, value in known.items() if name in _CHECKOUT},
        "comment": one_line("; ".join(part for part in about if part) or str(kernel.get("release") or "")),
        "valid": True,
        "misc": {name: value for name, value in known.items() if name not in _CHECKOUT},
    }


def _build(run: Event, origin: str, checkout: str) -> dict[str, Any]:
    kernel = run.get("kernel") or {}
    facts = _build_facts(run)
    return {
        "id": _id(origin, "build", [checkout, facts]),
        "checkout_id": checkout,
        "origin": origin,
        "architecture": kernel.get("architecture"),
        "compiler": clean(str(kernel.get("compiler") or "")),
        "config_name": clean(str(kernel.get("flavour") or "")),
        "comment": one_line(str(kernel.get("version") or kernel.get("release") or "")),
        "status": "PASS",  # it was built: it boots, or was to be booted
        "misc": facts,
    }


def _build_facts(run: Event) -> dict[str, Any]:
    kernel = run.get("kernel") or {}
    facts = {name: kernel[name] for name in _BUILD if kernel.get(name)}
    return facts or {"run": run["run"]}


def _tests(
    verdict: Verdict, around: Circumstances, origin: str, build: str, files_url: str | None
) -> Iterator[dict[str, Any]]:
    below = paths(test.nodeid for test in verdict.cases)
    for test in verdict.cases:
        key = (test.topology, test.nodeid)
        console = test.console or around.consoles.get(key)
        started = around.started.get(key)
        yield {
            "id": _id(origin, "test", [verdict.run["run"], *key]),
            "build_id": build,
            "origin": origin,
            "path": f"{ROOT}.{block_name(test.topology)}.{below[test.nodeid]}",
            "status": status_of(test),
            "comment": _comment(verdict, test),
            "start_time": datetime.fromtimestamp(started, UTC).isoformat() if started else None,
            "duration": test.duration if started or test.duration else None,
            "environment": _environment(around, test.topology),
            "log_excerpt": _excerpt(test) if test.bad or test.known is not None else None,
            "output_files": _files(files_url, console),
            "misc": {**_misc(verdict, test), "console": console},
        }


def _comment(verdict: Verdict, test: TestVerdict) -> str:
    """What to know at a glance: the word where KCIDB has another, and the first line of what was seen."""
    if test.outcome is Outcome.PASS:
        return ""
    word = verdict.word(test)
    mark = {DEVIATION: "deviation of level should: ", str(Outcome.FLAKY): "flaky: "}.get(word, "")
    if test.known is not None:
        mark = f"known ({one_line(test.known.reason)}): "
    return mark + one_line(test.message.partition("\n")[0])


def _misc(verdict: Verdict, test: TestVerdict) -> dict[str, Any]:
    expected = {name: verdict.expected[name] for name in test.requirements if name in verdict.expected}
    properties: dict[str, list[str]] = {}
    for name, value in test.properties:
        if name != "requirement":
            properties.setdefault(clean(name), []).append(clean(value))
    return {
        "requirements": list(test.requirements),
        "level": verdict.level(test),
        "outcome": str(test.outcome),
        "rounds": [str(outcome) for outcome in test.seen],
        "kind": test.kind,
        "known": _known(test),
        "splats": list(test.splats),
        "expected": expected,
        "dialect": verdict.run.get("dialect"),
        "topology": test.topology,
        "nodeid": clean(test.nodeid),
        "guest": None if test.slot is None else f"slot{test.slot}",
        "properties": properties,
        "run": verdict.run["run"],
        "suite": verdict.run.get("suite"),
        "catalogue_hash": verdict.run.get("catalogue_hash"),
    }


def _known(test: TestVerdict) -> dict[str, str] | None:
    """What says that the failure is known: KCIDB has no word of its own for it, triage is by its issues."""
    if test.known is None:
        return None
    entry = test.known
    return {"reason": clean(entry.reason), "link": clean(entry.link), "expires": entry.expires.isoformat()}


def _environment(around: Circumstances, topology: str) -> dict[str, Any]:
    place = around.place(topology)
    what = f", a QEMU guest ({place.accel})" if place.guest else ", the machine itself"
    what = "" if place.guest is None else what
    return {
        "comment": f"topology {topology}{what}",
        "misc": {
            "platform": f"qemu-{topology}" if place.guest else topology,  # KernelCI groups results by it
            "accelerator": place.accel,
            "cpus": place.cpus,
            "memory_kb": place.memory_kb,
            "pace": place.pace,
        },
    }


def _excerpt(test: TestVerdict) -> str:
    """What was seen first, so that it stays when the traceback and the logs after it are cut."""
    detail = [] if test.message == test.detail else [test.detail]
    parts = [test.message, *detail, *(f"--- {title} ---\n{text}" for title, text in test.sections)]
    return clip_bytes(clean("\n\n".join(part.rstrip() for part in parts if part.strip())), EXCERPT_LIMIT)


def _files(files_url: str | None, console: str | None) -> list[dict[str, str]]:
    if not files_url or not console:
        return []
    name = "-".join(console.removeprefix("guests/").split("/"))  # KCIDB allows no directory in a name
    return [{"name": name, "url": files_url + quote(console)}]


def _id(origin: str, kind: str, what: Mapping[str, Any] | Sequence[Any]) -> str:
    text = json.dumps(what, sort_keys=True)
    return f"{origin}:{kind}-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _pruned(value: Any) -> Any:
    """Without nulls and without what is empty: KCIDB takes what is not there for what is not known."""
    if isinstance(value, Mapping):
        pruned = {name: _pruned(item) for name, item in value.items()}
        return {name: item for name, item in pruned.items() if item not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_pruned(item) for item in value]
    return value
