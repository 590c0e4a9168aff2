# SPDX-License-Identifier: GPL-2.0-only
"""`pnode run` as a child, played by a script that leaves the same files."""

import json
import signal
import time
from pathlib import Path

import pytest

from tools.bench import runner
from tools.bench.tests.test_split import EVENTS
from tools.errors import UserError

#: Writes the record, then does what the test wants it to.
SCRIPT = """#!/bin/sh
while [ "$1" != --output ]; do shift; done
boot="$2/a-run/guests/slot0/boot0"
trap 'echo ended >"{told}"; exit 3' TERM
mkdir -p "$boot"
echo '{{"started": {started}}}' >"$boot/state.json"
cat >"$2/a-run/results.jsonl" <<'END'
{events}
END
{then}
"""


@pytest.fixture
def pnode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    path = tmp_path / "tools/pnode"
    path.parent.mkdir()
    return path


def play(pnode: Path, then: str, events: object = EVENTS) -> Path:
    """Make the script; returns the file in which it says that it was told to end."""
    told = pnode.with_name("told")
    text = "\n".join(json.dumps(event, separators=(",", ":")) for event in events)  # type: ignore[attr-defined]
    pnode.write_text(SCRIPT.format(told=told, started=time.time() + 1, events=text, then=then))
    pnode.chmod(0o755)
    return told


def test_a_run_that_ends(pnode: Path) -> None:
    play(pnode, "exit 1")
    found = runner.run(["--req", "ISO"], 2)
    assert found.split.tests == 4
    assert 0 < found.to_qemu < 2


def test_only_until_the_first_result(pnode: Path) -> None:
    told = play(pnode, "for i in $(seq 400); do sleep 0.05; done")
    found = runner.run([], None, until_first=True)
    assert told.read_text() == "ended\n", "in order, so that it ends its guests"
    assert found.wall < runner.END_SECONDS


def test_a_run_that_could_not_run(pnode: Path) -> None:
    play(pnode, "echo 'pnode: no QEMU' >&2; exit 2")
    with pytest.raises(UserError, match="no QEMU"):
        runner.run([], 1)


def test_an_interrupt_ends_the_run(pnode: Path) -> None:
    told = play(pnode, "sleep 0.5; kill -INT $PPID; for i in $(seq 400); do sleep 0.05; done")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run([], 1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert told.read_text() == "ended\n"
