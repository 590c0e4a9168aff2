# SPDX-License-Identifier: GPL-2.0-only
"""results.ktap by kunit's own parser, out of a kernel's source: the one that the kernel builds leave in the
cache, or the tree that PNODE_LINUX_SOURCE names.

It runs as a program of its own, since it prints as it reads, and is never copied.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.kernel import recipe, source
from tools.report.events import Outcome
from tools.report.names import block_name, ktap_names
from tools.report.readers.reader import NotThere, Reader, Seen
from tools.report.verdict import Tally, Verdict

__all__ = ["KunitReader", "find"]

VARIABLE = "PNODE_LINUX_SOURCE"
_CHILD = Path(__file__).with_name("kunit_child.py")
_SECONDS = 120
#: kunit's words for the status of a test; it reads no other directive than SKIP.
_WORDS = {"SUCCESS": Outcome.PASS, "FAILURE": Outcome.FAIL, "SKIPPED": Outcome.SKIP}


def find() -> Path:
    """The source tree whose parser is used. Raises NotThere."""
    named = os.environ.get(VARIABLE)
    tree = Path(named) if named else _unpacked()
    if not (tree / "tools/testing/kunit/kunit_parser.py").is_file():
        raise NotThere(f"{tree}: no tools/testing/kunit/kunit_parser.py in it")
    return tree


def _unpacked() -> Path:
    try:
        tree = source.unpacked(recipe.load().package)
    except OSError as error:
        raise NotThere(
            f"no kernel source: {error.filename}: {error.strerror}; {VARIABLE}=DIR can name one"
        ) from error
    if tree is None:
        raise NotThere(
            f"no kernel source is unpacked; pnode kernel build does it, or {VARIABLE}=DIR names one"
        )
    return tree.path


class KunitReader(Reader):
    """tools/testing/kunit/kunit_parser.py."""

    name, file = "kunit", "results.ktap"

    def version(self) -> str:
        text = (find() / "Makefile").read_text(errors="replace")
        parts = [
            re.search(rf"^{name} = (\d+)$", text, re.M) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
        ]
        return f"kunit_parser of Linux {'.'.join(part[1] for part in parts if part)}"

    def read(self, path: Path) -> Seen:
        # -I: nothing of ours on its path; -B: nothing is left in the source.
        argv = [sys.executable, "-I", "-B", _CHILD, find() / "tools/testing/kunit", path]
        done = subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise ValueError(f"it broke: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        found = json.loads(done.stdout)
        seen = Seen(complaints=list(found["errors"]))
        for topology in found["tests"]:
            seen.group(topology["name"], _word(topology))
            for chapter in topology["tests"]:
                group = f"{topology['name']} {chapter['name']}"
                seen.group(group, _word(chapter))
                for test in chapter["tests"]:
                    seen.test(f"{group} {test['name']}", _word(test))
                    if test["tests"]:
                        seen.complaints.append(f"{group} {test['name']}: has tests of its own")
        words = list(seen.tests.values())
        for name, word in (
            ("passed", "PASS"),
            ("failed", "FAIL"),
            ("skipped", "SKIP"),
            ("crashed", "CRASHED"),
        ):
            seen.count(name, found["counts"][name], words.count(word))
        return seen

    def differences(self, seen: Seen, ours: Seen) -> list[str]:
        # That there is no test it calls an error, and rightly so.
        return super().differences(seen, ours) if seen.tests or ours.tests else []

    def ours(self, verdict: Verdict) -> Seen:
        mine = Seen()
        names = ktap_names(test.nodeid for test in verdict.cases)
        counts: dict[str, dict[Outcome, int]] = {}
        for test in verdict.cases:
            topology = block_name(test.topology)
            group = f"{topology} {block_name(test.chapter)}"
            mine.test(f"{group} {names[test.nodeid]}", _ours(test.outcome))
            for name in (topology, group):
                counts.setdefault(name, {}).setdefault(test.outcome, 0)
                counts[name][test.outcome] += 1
        for name, number in counts.items():
            mine.group(name, _ours(Tally(number).outcome))
        return mine


def _ours(outcome: Outcome) -> str:
    if outcome is Outcome.KNOWN:  # it has no other word that is neither pass nor failure
        return str(Outcome.SKIP)
    return str(outcome if outcome in (Outcome.PASS, Outcome.SKIP) else Outcome.FAIL)


def _word(test: dict[str, Any]) -> str:
    status = str(test["status"])
    return str(_WORDS.get(status, status.removeprefix("TEST_")))
