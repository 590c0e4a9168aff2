# SPDX-License-Identifier: GPL-2.0-only
"""report.html: one page that holds everything, from file:// as well as out of a CI system's artifacts.

The templates (templates/) lay out what the modules beside this one compute. Text is escaped by them, style
and script are inside the page, and its own policy (CSP) forbids it to load or run anything else, whatever a
kernel log says.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tools.report import summary
from tools.report.events import Event, Outcome
from tools.report.html import findings, guests, landing, machines, matrix, slowest, workers
from tools.report.html.words import STATUSES, Levels, at, duration, plain
from tools.report.outcomes import named
from tools.report.verdict import DEVIATES, HOLDS, INCOMPLETE, RequirementVerdict, Verdict

__all__ = ["render"]

TEMPLATES = Path(__file__).with_name("templates")
HEADLINES = {HOLDS: "holds", DEVIATES: "deviates", INCOMPLETE: "incomplete"}
UNABLE_HEADLINE = "could not run"


def render(verdict: Verdict, events: Sequence[Event], catalogue_hash: str | None = None) -> str:
    """The whole page. `catalogue_hash` is that of the catalogue the run was judged by; where the run has
    another, the page says so."""
    levels = Levels(verdict)
    anchors = findings.anchors_of(verdict)
    landings = landing.landings_of(verdict)
    script = (TEMPLATES / "filter.js").read_text()
    return (
        _environment()
        .get_template("page.html")
        .render(
            verdict=verdict,
            levels=levels,
            headline=HEADLINES.get(verdict.exit, UNABLE_HEADLINE),
            told=_told(verdict),
            totals=summary.totals(verdict),
            facts=list(_facts(verdict, catalogue_hash)),
            problems=list(_problems(verdict, events)),
            statuses=_counted(verdict, levels),
            chapters=matrix.chapters_of(verdict, levels, anchors),
            without=matrix.without_tests(verdict),
            findings=findings.findings_of(verdict, levels, anchors),
            waiting=findings.waiting(verdict),
            skipped=findings.skipped(verdict),
            pictures_of=landing.pictures_of,
            landings=landings,
            legend=landing.legend(landings),
            races=workers.races_of(verdict),
            drawings=machines.drawings_of(verdict.run, verdict.topologies),
            sessions=guests.sessions_of(events, verdict, levels, anchors),
            guests=[event for event in named(events, "guest") if event.get("console")],
            slowest=slowest.slowest(events),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_clean,
    )
    environment.filters.update(duration=duration)
    return environment


def _clean(value: object) -> object:
    """Whatever text the templates print, from a log or a name, without what no page should have."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _told(verdict: Verdict) -> dict[str, Any]:
    """What the verdict rests on: requirements of level must by what became of them, and those of level
    should that deviate."""
    rows = [row for row in verdict.requirements if row.outcome is not Outcome.NONE]
    must = [row for row in rows if row.level != "should"]

    def ids(found: list[RequirementVerdict]) -> list[str]:
        return [row.id for row in found]

    return {
        "must": len(must),
        "holding": sum(row.outcome is Outcome.PASS for row in must),
        "deviating": ids([row for row in must if row.deviates]),
        "missing": ids([row for row in must if row.outcome is Outcome.MISS]),
        "skipped": ids([row for row in must if row.outcome is Outcome.SKIP]),
        "lesser": ids([row for row in rows if row.level == "should" and row.deviates]),
        "died": any(test.nodeid.startswith("guests::") for test in verdict.tests),
    }


def _counted(verdict: Verdict, levels: Levels) -> list[tuple[str, int]]:
    """(word, tests) for every word that this run has, worst first."""
    found: dict[str, int] = {}
    for test in verdict.tests:
        status = levels.status(test)
        found[status] = found.get(status, 0) + 1
    return [(status, found[status]) for status in STATUSES if status in found]


def _facts(verdict: Verdict, catalogue_hash: str | None) -> Iterator[tuple[str, str]]:
    run = verdict.run
    kernel: Mapping[str, Any] = run.get("kernel") or {}
    yield "kernel", str(kernel.get("release") or "not known")
    for name, key in (
        ("kernel version", "version"),
        ("flavour", "flavour"),
        ("image SHA-256", "image_sha256"),
    ):
        if kernel.get(key):
            yield name, str(kernel[key])
    yield "dialect", str(run.get("dialect") or "none was told")
    yield "topologies", ", ".join(verdict.topologies)
    yield "suite", str(run.get("suite") or "not known")
    recorded = run.get("catalogue_hash")
    if recorded:
        other = catalogue_hash is not None and recorded != catalogue_hash
        yield "catalogue", f"{recorded}{'; this page shows a later or earlier wording' if other else ''}"
    argv = [str(word) for word in run.get("argv") or ()]
    yield "command", shlex.join(["tools/pnode", *argv]) if argv else "not recorded"
    if (run.get("repeat") or 1) != 1 or run.get("seed") is not None:
        yield "rounds", f"{run.get('repeat') or 1}, seed {run.get('seed')}"
    yield "started", at(run.get("time")) or "not known"
    yield "wall time", duration(verdict.seconds)
    yield "run", str(run.get("run") or "not known")


def _problems(verdict: Verdict, events: Sequence[Event]) -> Iterator[str]:
    """What happened outside any test, in lines."""
    for event in verdict.problems:
        topology = event.get("topology")
        yield f"{topology}: {event.get('message')}" if topology else str(event.get("message"))
    for name in verdict.unplanned:
        yield f"{name}: no test was planned; its guests never got ready"
    ended = {event.get("topology") for event in named(events, "session-end")}
    for event in named(events, "session-start"):
        if event.get("topology") not in ended:
            yield f"{event.get('topology')}: the record breaks off in this session; the run was killed"
