# SPDX-License-Identifier: GPL-2.0-only
"""A real run (cxl-pair on the reference kernel, under TCG), changed as a test wants it, and certificates."""

import copy
import json
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner

from tools.certificate import envelope, evidence, statement
from tools.certificate.evidence import Allowed, Evidence
from tools.certificate.verify import Row
from tools.certificate.waivers import Waiver
from tools.report.verdict import as_event, judge

GOLDEN = Path(__file__).with_name("cxl-pair.jsonl")
TODAY = date(2026, 11, 26)
ISSUED = "2026-11-26T08:00:00Z"
#: What the run is of; all of the chapter.
ROWS = [Row(f"CXL-0{number}", "must") for number in range(1, 9)]
CATALOGUE = "ca" * 32

Event = dict[str, Any]
Change = Callable[[list[Event]], object]


def start(events: Iterable[Event]) -> Event:
    return next(event for event in events if event["event"] == "run-start")


def of(events: Iterable[Event], name: str) -> list[Event]:
    return [event for event in events if event["event"] == name]


class Record:
    """The events of a run; `change` may do anything to them, and the end is then made to fit."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "results.jsonl"
        self.rows = list(ROWS)

    def write(self, change: Change = lambda events: None, *, end: bool = True) -> Path:
        events = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
        # not that of this checkout, which has requirements of other chapters
        start(events)["catalogue_hash"] = CATALOGUE
        start(events)["selection"] = []  # the record is from before this was told
        change(events)
        for event in of(events, "run-end") if end else ():
            event.update(as_event(judge(events, self.rows)))
        self.path.write_text("".join(json.dumps(event) + "\n" for event in events))
        return self.path

    def load(self, change: Change = lambda events: None, *, end: bool = True) -> Evidence:
        return evidence.load(self.write(change, end=end), self.rows)

    def refusals(
        self, change: Change = lambda events: None, *, end: bool = True, **allowed: Any
    ) -> list[str]:
        found = self.load(change, end=end)
        return evidence.refusals(found, str(found.run.get("catalogue_hash")), Allowed(**allowed))


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path)


@pytest.fixture(scope="session")
def signer() -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


@pytest.fixture(scope="session")
def stranger() -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


WAIVER = Waiver("CXL-03", "firmware without HMAT", "https://bugs.example.org/1", date(2026, 12, 31))


def failing(nodeid: str, outcome: str = "FAIL") -> Change:
    """A change: the test with this in its name has another outcome."""

    def change(events: list[Event]) -> None:
        for event in of(events, "test"):
            if nodeid in event["nodeid"]:
                event.update(outcome=outcome, kind="assertion", message="assert 1 == 2")

    return change


#: An exception of a file for --known, as a record has it, and what the suite brings along.
GIVEN = {
    "name": "known.toml: [[allowed]] 1",
    "table": "allowed",
    "reason": "this board's firmware",
    "link": "https://bugs.example.org/2",
    "expires": "2026-12-30",
    "match": {"text": "."},
    "intermittent": False,
    "builtin": False,
}
BUILTIN = GIVEN | {"name": "environment.toml: [[allowed]] 1", "reason": "a busy host", "builtin": True}


def overlooking(events: list[Event]) -> None:
    """A change: the run was given an exception, which allowed two splats, one of them twice. What a test and
    the suite itself allow is there, too."""
    known = {"event": "known", "time": 1, "entries": [GIVEN, BUILTIN]}
    events.insert(events.index(start(events)) + 1, known)
    for digest, by in (
        ("aa" * 6, GIVEN), ("bb" * 6, GIVEN), ("aa" * 6, GIVEN), ("cc" * 6, BUILTIN), ("dd" * 6, None),
    ):  # fmt: skip
        splat = {
            "event": "splat",
            "time": 1,
            "topology": "cxl-pair",
            "nodeid": None,
            "slot": 0,
            "boot": 0,
            "during": "boot",
            "kind": "warning",
            "what": "WARNING",
            "digest": digest,
            "functions": ["f"],
            "title": f"WARNING: at mm/{digest}.c:1",
            "text": None,
            "allowed": by["reason"] if by else "it provokes it",
            "by": by["name"] if by else "test",
        }
        events.insert(-1, splat)


@pytest.fixture
def told(record: Record) -> dict[str, Any]:
    """A statement with everything in it: a waiver that is needed, a profile, a URL, the names of a series, an
    exception."""

    def change(events: list[Event]) -> None:
        overlooking(events)
        failing("test_distances_read_well")(events)
        start(events)["kernel"].update(config_sha256="ab" * 32, compiler="gcc 12.2.0")
        start(events)["source"] = {
            "base": None,
            "series": "v4",
            "message_id": "20260222084842.1824063-1-gourry@gourry.net",
            "git_commit": "1f41dd8",
        }

    found = record.load(change)
    profile = {
        "name": "qemu-type3",
        "vendor": "0x8086",
        "device": "0x0d93",
        "model": "QEMU CXL type-3",
        "firmware": "BWFW VERSION *",
        "flags": ["MIGRATION"],
    }
    issue = statement.Issue(ISSUED, (WAIVER,), profile, "https://ci.example.org/runs/1")
    return statement.build(found, issue)


@pytest.fixture
def sealed(told: dict[str, Any], signer: CryptoSigner) -> dict[str, Any]:
    return copy.deepcopy(envelope.seal(told, signer))
