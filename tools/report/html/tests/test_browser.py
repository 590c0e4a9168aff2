# SPDX-License-Identifier: GPL-2.0-only
"""The page in a real browser: no errors, no request for anything else, and the filter does what it says."""

import pytest

from tools.guest import topology
from tools.report.events import read
from tools.report.html import render
from tools.report.html.tests import browser
from tools.report.html.tests.test_page import EVIL, REAL, events_of
from tools.report.tests.catalogue import CATALOGUE
from tools.report.verdict import judge

SHOWN = (
    """[...document.querySelectorAll({!r})].filter(e => e.checkVisibility()).map(e => e.innerText.trim())"""
)
TESTS = ".matrix tr:not(.req):not(.about) td:first-child"
REQUIREMENTS = ".matrix tr.req b"
FINDINGS = ".finding h3 .test"

pytestmark = pytest.mark.skipif(
    browser.find() is None, reason="needs Chromium (apt-get install chromium-headless-shell)"
)


@pytest.fixture(scope="module")
def chromium():
    """`open(url, ...) -> Page`, see browser.py."""
    with browser.started(browser.find()) as opener:
        yield opener


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Address of the page of a run in which something of every kind went wrong, in hostile words, too."""
    events = events_of("deviations-of-every-kind")
    for event in events:
        if event["event"] == "test" and event["outcome"] == "FAIL":
            event["message"] += EVIL
    path = tmp_path_factory.mktemp("run") / "report.html"
    path.write_text(render(judge(events, CATALOGUE.values()), events), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(chromium, report):
    """The page at an address's fragment; nothing may have gone wrong in it at the end of the test."""
    pages = []

    def go(fragment="", **options):
        pages.append(chromium(report + fragment, **options))
        return pages[-1]

    yield go
    for page in pages:
        assert page.problems == []
        assert {url.partition("#")[0] for url in page.requests} <= {report, "data:,"}


def shown(page, selector):
    return page.evaluate(SHOWN.format(selector))


def test_tests_are_folded_until_their_requirement_is_asked_for(opened):
    page = opened()
    assert shown(page, REQUIREMENTS) == ["DSC-01", "DSC-12", "ISO-02", "ISO-04", "HPL-03"]
    assert shown(page, TESTS) == []
    page.evaluate("document.querySelector('#ISO-02 button').focus()")
    page.press("Enter", 13, "\r")
    names = shown(page, TESTS)
    assert names == [
        f"isolation/test_gate.py::test_thisnode[{name}]" for name in ("alloc_pages_node", "bulk")
    ]
    assert page.evaluate("document.querySelector('#ISO-02 button').getAttribute('aria-expanded')") == "true"


def test_filter_by_result_is_in_the_address(opened):
    page = opened()
    page.evaluate("document.querySelector('[name=outcome][value=ERROR]').click()")
    page.settle()
    assert shown(page, REQUIREMENTS) == ["ISO-02"]
    assert shown(page, TESTS) == ["isolation/test_gate.py::test_thisnode[bulk]"]
    assert shown(page, FINDINGS) == ["selftests/isolation/test_gate.py::test_thisnode[bulk]"]
    assert page.evaluate("location.hash") == "#outcome=ERROR"
    again = opened(page.evaluate("location.hash"))
    assert shown(again, TESTS) == shown(page, TESTS)
    page.evaluate("document.querySelector('[type=reset]').click()")
    page.settle()
    assert len(shown(page, REQUIREMENTS)) == 5
    assert page.evaluate("location.hash") == ""


def test_filter_by_text_topology_and_chapter(opened):
    page = opened()
    page.type("[name=text]", "NULL")
    assert shown(page, REQUIREMENTS) == ["ISO-04"]
    assert shown(page, FINDINGS) == ["selftests/isolation/test_gate.py::test_full"]
    assert shown(opened("#text=test_lists&topology=cxl"), TESTS) == ["discovery/test_nodes.py::test_lists"]
    elsewhere = opened("#topology=cxl")
    assert shown(elsewhere, REQUIREMENTS) == ["DSC-01", "ISO-02"]
    assert shown(elsewhere, FINDINGS) == ["selftests/isolation/test_gate.py::test_thisnode[bulk]"]
    assert shown(opened("#chapter=HPL"), REQUIREMENTS) == ["HPL-03"]
    assert shown(opened("#text=no+such+word"), REQUIREMENTS) == []


def test_a_link_shows_what_is_folded_or_filtered_away(opened):
    page = opened("#outcome=ERROR")
    assert shown(page, REQUIREMENTS) == ["ISO-02"]
    page.evaluate("document.querySelector('.square[href=\"#HPL-03\"]').click()")
    page.settle()
    assert "HPL-03" in shown(page, REQUIREMENTS)
    assert shown(page, TESTS) == ["hotplug/test_unregister.py::TestBusy::test_online"]
    assert page.evaluate("document.getElementById('HPL-03').getBoundingClientRect().top < innerHeight")


def test_hostile_words_stay_words(opened):
    page = opened()
    assert page.evaluate("document.scripts.length") == 1
    assert "<script>alert(1)</script>" in page.evaluate("document.querySelector('.message').innerText")


def test_without_script_all_is_readable(opened):
    page = opened(script=False)
    assert len(shown(page, TESTS)) == 7
    assert shown(page, "#filter") == []
    assert shown(page, ".toggle") == []


OUTSIDE = """(() => {
  const found = [], rows = document.querySelectorAll(":is(.bar, .phases, .timeline) :is(rect, path)");
  for (const part of document.querySelectorAll("main svg :is(rect, text, line)")) {
    const [inner, outer] = [part.getBoundingClientRect(), part.ownerSVGElement.getBoundingClientRect()];
    const out = Math.max(outer.left - inner.left, inner.right - outer.right, inner.bottom - outer.bottom);
    if (out > 1) found.push(`${part.outerHTML}: ${out.toFixed(1)}`);
  }
  let box = null;
  for (const part of document.querySelectorAll(".machine :is(rect, text)")) {
    if (part.tagName === "rect") box = part.getBBox();
    else if (part.getBBox().width > box.width - 4) found.push(`${part.textContent}: wider than its box`);
  }
  return [rows.length, found];
})()"""


def test_drawings_are_inside_their_frames_and_words_inside_their_boxes(chromium, tmp_path):
    """The record of a real run, here on every topology that has a drawing."""
    events = [
        {**event, "topologies": topology.names()} if event["event"] == "run-start" else event
        for event in read(REAL).events
    ]
    path = tmp_path / "report.html"
    path.write_text(render(judge(events, CATALOGUE.values()), events), encoding="utf-8")
    page = chromium(path.as_uri())
    drawn, outside = page.evaluate(OUTSIDE)
    assert drawn > 50
    assert outside == []
    assert page.problems == []


CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const light = colour => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const poor = new Set();
  for (const element of document.body.querySelectorAll("*:not(svg *)")) {
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) poor.add(`${element.tagName}.${element.className} ${contrast.toFixed(2)}`);
  }
  return [...poor];
})()"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(opened, dark):
    """WCAG 2.1, 1.4.3: contrast of at least 4.5."""
    page = opened(dark=dark)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(22, 24, 28)" if dark else "rgb(255, 255, 255)"
    )
    assert page.evaluate(CONTRAST) == []
