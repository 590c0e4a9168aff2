# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML: one suite for each topology and chapter, one case for each test.

junit-xml writes the document; it knows properties of suites only, so those of the cases are added to its
element tree.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from junit_xml import TestCase, TestSuite, to_xml_report_string

from tools.report.events import Outcome
from tools.report.names import class_and_name
from tools.report.verdict import TestVerdict, Verdict

__all__ = ["render"]

#: Everything XML 1.0 does not allow; kernel logs and test output hold such characters.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


def render(verdict: Verdict) -> str:
    """The whole document. Times in seconds."""
    suites: dict[tuple[str, str], list[TestVerdict]] = {}
    for test in verdict.tests:
        suites.setdefault((test.topology, test.chapter), []).append(test)
    order = {name: number for number, name in enumerate(verdict.topologies)}
    keys = sorted(suites, key=lambda key: (order.get(key[0], len(order)), key[1]))
    return str(to_xml_report_string([_suite(verdict, *key, suites[key]) for key in keys], encoding="utf-8"))


class _Suite(TestSuite):  # type: ignore[misc]  # junit-xml has no type information
    """A suite whose cases have properties of their own, in `case.pnode_properties`."""

    def build_xml_doc(self, encoding: str | None = None) -> ET.Element:
        document: ET.Element = super().build_xml_doc(encoding)
        for case, element in zip(self.test_cases, document.iter("testcase"), strict=True):
            properties = ET.Element("properties")
            for name, value in case.pnode_properties:
                ET.SubElement(properties, "property", {"name": name, "value": value})
            if len(properties):
                element.insert(0, properties)
        return document


def _suite(verdict: Verdict, topology: str, chapter: str, tests: list[TestVerdict]) -> TestSuite:
    facts = _facts(verdict, topology)
    expected = {row.id: row.expected for row in verdict.requirements if row.expected}
    started = verdict.run.get("time")
    return _Suite(
        f"{topology}.{chapter}",
        [_case(test, facts, expected) for test in tests],
        properties={**facts, "chapter": chapter},
        timestamp=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds") if started else None,
    )


def _facts(verdict: Verdict, topology: str) -> dict[str, str]:
    kernel = verdict.run.get("kernel") or {}
    facts = {
        "topology": topology,
        "kernel": kernel.get("release"),
        "kernel_image_sha256": kernel.get("image_sha256"),
        "dialect": verdict.run.get("dialect"),
        "run": verdict.run.get("run"),
    }
    return {name: _clean(str(value)) for name, value in facts.items() if value}


def _case(test: TestVerdict, facts: dict[str, str], expected: Mapping[str, str]) -> TestCase:
    group, name = class_and_name(test.nodeid)
    case = TestCase(
        _clean(name),
        classname=_clean(".".join(part for part in (test.topology, group) if part)),
        elapsed_sec=max(test.duration, 1e-6),  # 0 would leave the attribute out
        file=_clean(test.nodeid.partition("::")[0]),
        stdout=_clean(_output(test)) or None,
    )
    message = _clean(test.message.partition("\n")[0]) or str(test.outcome)
    detail = _clean(test.detail or test.message) or message
    if test.outcome is Outcome.FAIL:
        case.add_failure_info(message, detail, test.kind or "failure")
    elif test.outcome is Outcome.FLAKY:
        case.add_failure_info(message, detail, "flaky")
    elif test.outcome is Outcome.ERROR:
        case.add_error_info(message, detail, test.kind or "error")
    elif test.outcome is Outcome.MISS:
        # JUnit has no word for a test that never ran; "skipped" would hide it.
        case.add_error_info(f"MISS: {message}", detail, "miss")
    elif test.outcome is Outcome.SKIP:
        case.add_skipped_info(message)
    elif test.known is not None:
        # As pytest gives an expected failure: JUnit has no word for it either, and "passed" it is not.
        case.add_skipped_info(f"KNOWN: {_clean(test.known.reason)}: {message}", detail)
    case.pnode_properties = list(_properties(test, facts, expected))
    return case


def _properties(
    test: TestVerdict, facts: dict[str, str], expected: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    for identifier in test.requirements:
        yield "requirement", _clean(identifier)
        if identifier in expected:
            yield "expected", _clean(f"{identifier}: {expected[identifier]}")
    yield from ((name, facts[name]) for name in ("topology", "kernel", "dialect") if name in facts)
    yield "outcome", str(test.outcome)
    if test.slot is not None:
        yield "guest", f"slot{test.slot}"
    if test.console:
        yield "console", _clean(test.console)
    if test.lines:
        yield "console-lines", f"{test.lines[0]}-{test.lines[1]}"
    yield from (("splat", digest) for digest in test.splats)
    if test.known is not None:
        yield "known", _clean(test.known.reason)
        yield "known-link", _clean(test.known.link)
        yield "known-until", test.known.expires.isoformat()
    for name, value in test.properties:  # e.g. ("node", "1")
        if name != "requirement":
            yield _clean(name), _clean(value)


def _output(test: TestVerdict) -> str:
    return "\n".join(f"--- {title} ---\n{text.rstrip()}\n" for title, text in test.sections)


def _clean(text: str) -> str:
    """The text in characters that XML allows; colour codes go, other characters become a question mark."""
    return _ILLEGAL.sub("?", _ESCAPES.sub("", text))
