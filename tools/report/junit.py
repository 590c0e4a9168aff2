# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML: one suite for each topology and chapter, one case for each test.

junit-xml writes the document; it knows properties of suites only, so those of the cases are added to its
element tree.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from junit_xml import TestCase, TestSuite, to_xml_report_string

from tools.report.events import Outcome
from tools.report.names import class_and_name, unique
from tools.report.text import clean, one_line
from tools.report.verdict import DEVIATION, TestVerdict, Verdict

__all__ = ["case_names", "render"]


def render(verdict: Verdict) -> str:
    """The whole document. Times in seconds."""
    suites: dict[tuple[str, str], list[TestVerdict]] = {}
    for test in verdict.cases:
        suites.setdefault((test.topology, test.chapter), []).append(test)
    order = {name: number for number, name in enumerate(verdict.topologies)}
    keys = sorted(suites, key=lambda key: (order.get(key[0], len(order)), key[1]))
    names = case_names(verdict.cases)
    documents = [_suite(verdict, *key, suites[key], names) for key in keys]
    return str(to_xml_report_string(documents, encoding="utf-8"))


def case_names(tests: Iterable[TestVerdict]) -> dict[tuple[str, str], tuple[str, str]]:
    """Class and name of each test's case, by topology and nodeid; no two are the same."""
    classes: dict[str, dict[tuple[str, str], str]] = {}
    for test in sorted(tests, key=lambda test: (test.topology, test.nodeid)):
        group, name = class_and_name(test.nodeid)
        classname = one_line(".".join(part for part in (test.topology, group) if part))
        classes.setdefault(classname, {})[test.topology, test.nodeid] = one_line(name)
    return {
        test: (classname, name)
        for classname, wanted in classes.items()
        for test, name in unique(wanted, "--").items()
    }


class _Suite(TestSuite):  # type: ignore[misc]  # junit-xml has no type information
    """A suite whose cases have properties of their own, in `case.pnode_properties`, and failures that are
    known."""

    def build_xml_doc(self, encoding: str | None = None) -> ET.Element:
        document: ET.Element = super().build_xml_doc(encoding)
        for case, element in zip(self.test_cases, document.iter("testcase"), strict=True):
            properties = ET.Element("properties")
            for name, value in case.pnode_properties:
                ET.SubElement(properties, "property", {"name": name, "value": value})
            if len(properties):
                element.insert(0, properties)
            skipped = element.find("skipped")
            if skipped is not None and ("outcome", str(Outcome.KNOWN)) in case.pnode_properties:
                skipped.set("type", "known")  # a reason to skip can begin with the same words
        return document


def _suite(
    verdict: Verdict,
    topology: str,
    chapter: str,
    tests: list[TestVerdict],
    names: Mapping[tuple[str, str], tuple[str, str]],
) -> TestSuite:
    facts = _facts(verdict, topology)
    started = verdict.run.get("time")
    return _Suite(
        f"{topology}.{chapter}",
        [_case(verdict, test, names[test.topology, test.nodeid], facts) for test in tests],
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
    return {name: clean(str(value)) for name, value in facts.items() if value}


def _case(verdict: Verdict, test: TestVerdict, names: tuple[str, str], facts: dict[str, str]) -> TestCase:
    classname, name = names
    case = TestCase(
        name,
        classname=classname,
        elapsed_sec=max(test.duration, 1e-6),  # 0 would leave the attribute out
        file=one_line(test.nodeid.partition("::")[0]),
        stdout=clean(_output(test)) or None,
    )
    message = one_line(test.message.partition("\n")[0]) or str(test.outcome)
    detail = clean(test.detail or test.message) or message
    if verdict.word(test) == DEVIATION:
        case.add_failure_info(f"deviation of level should: {message}", detail, "deviation")
    elif test.outcome is Outcome.FAIL:
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
        case.add_skipped_info(f"KNOWN: {one_line(test.known.reason)}: {message}", detail)
    case.pnode_properties = list(_properties(verdict, test, facts))
    return case


def _properties(verdict: Verdict, test: TestVerdict, facts: dict[str, str]) -> Iterable[tuple[str, str]]:
    expected = verdict.expected
    for identifier in test.requirements:
        yield "requirement", clean(identifier)
        if identifier in expected:
            yield "expected", clean(f"{identifier}: {expected[identifier]}")
    yield from ((name, facts[name]) for name in ("topology", "kernel", "dialect") if name in facts)
    yield "outcome", str(test.outcome)
    yield "level", verdict.level(test)
    if test.kind:
        yield "kind", clean(test.kind)
    if test.slot is not None:
        yield "guest", f"slot{test.slot}"
    if test.console:
        yield "console", clean(test.console)
    if test.lines:
        yield "console-lines", f"{test.lines[0]}-{test.lines[1]}"
    yield from (("splat", digest) for digest in test.splats)
    if test.known is not None:
        yield "known", clean(test.known.reason)
        yield "known-link", clean(test.known.link)
        yield "known-until", test.known.expires.isoformat()
    for name, value in test.properties:  # e.g. ("node", "1")
        if name != "requirement":
            yield clean(name), clean(value)


def _output(test: TestVerdict) -> str:
    return "\n".join(f"--- {title} ---\n{text.rstrip()}\n" for title, text in test.sections)
