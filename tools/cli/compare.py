# SPDX-License-Identifier: GPL-2.0-only
"""pnode compare: two runs, what changed from the first to the second, and whether it got worse."""

import argparse
import json
from pathlib import Path

from tools.cli.list import load_catalogue
from tools.compare import policy
from tools.compare.comparison import compare
from tools.compare.document import document
from tools.compare.page import write
from tools.compare.side import load
from tools.compare.text import render

EPILOG = """\
exit status:
  0  nothing got worse
  1  worse: a test of a requirement of level "must" newly fails, or has lost its result (and what --fail-on
     names)
  2  cannot compare: no such run, not a run, cut short beyond use, nothing in common
  3  not worse as far as it goes, but a run is incomplete: planned tests have no result"""


def configure(parser: argparse.ArgumentParser) -> None:
    for name, text in (("a", "the run to compare with"), ("b", "the run in question")):
        parser.add_argument(
            name, type=Path, metavar=name.upper(), help=f"{text}: its directory, or its results.jsonl"
        )
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON object")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    words = "; ".join(f"{word}: {meaning}" for word, meaning in policy.TIGHTER.items())
    parser.add_argument(
        "--fail-on",
        default="",
        metavar="WORDS",
        help=f"what counts as worse besides newly failing and lost, separated by commas. {words}",
    )
    parser.epilog = EPILOG


def execute(args: argparse.Namespace) -> int:
    also = policy.parse(args.fail_on)
    known = load_catalogue()
    found = compare(load("A", args.a, known), load("B", args.b, known), known)
    if args.html:
        write(args.html, found, also)
    if args.json:
        print(json.dumps(document(found, also), indent=2))
    else:
        print(render(found, also), end="", flush=True)
    return policy.status(found, also)
