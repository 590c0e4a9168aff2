# SPDX-License-Identifier: GPL-2.0-only
"""What LAVA is told of a run, by commands that only write down what they are given."""

import os
from itertools import pairwise

import pytest
from ruamel.yaml import YAML

from tools.bots.tests.conftest import BOTS, DEVIATES, KNOWN, PASSES, Played, program
from tools.guest import qemu, topology

SCRIPT = "lava/private-nodes.sh"


def told(played: Played, status: int, tap: str | None) -> list[str]:
    """The commands that the device would have run."""
    played.suite(status, tap)
    bin = played.directory / "bin"
    bin.mkdir()
    for name in ("lava-test-case", "lava-test-set"):
        program(bin / name, f'#!/bin/sh\necho "$(basename "$0") $*" >>{played.directory}/lava\n')
    env = {"PATH": f"{bin}:{os.environ['PATH']}", "PNODE_ARGS": "--topology fast"}
    done = played(SCRIPT, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert played.told == ["run", "--output", "results", "--topology", "fast"]
    return (played.directory / "lava").read_text().splitlines()


def test_the_machine_of_the_job_for_qemu_is_a_topology_of_ours() -> None:
    job = YAML(typ="safe").load(BOTS / "lava/job-qemu.yaml")
    context = job["context"]
    given = {word for option in context["extra_options"] for word in option.split()}
    fast = topology.load("fast")
    ours = qemu.machine(fast, "tcg")
    memory = [word for flag, word in pairwise(ours) if flag in ("-object", "-numa", "-smp")]
    assert set(memory) <= given
    assert f"{context['memory']}M" in ours
    assert any(word.startswith(f"{context['machine']},") for word in ours)
    (append,) = [action["deploy"]["images"]["kernel"]["image_arg"] for action in job["actions"][:1]]
    boot = qemu.kernel_command_line(fast).split()
    assert {word for word in boot if word.startswith("mem")} <= set(append.strip('"').split())


def test_tests_are_cases_in_a_set_for_each_group(played: Played) -> None:
    assert told(played, 0, PASSES) == [
        "lava-test-set start fast.ISO",
        "lava-test-case a.test_holds --result pass",
        "lava-test-case a.test_has-no-swap --result skip",
        "lava-test-set stop",
        "lava-test-case pnode-run --result pass --measurement 0 --units exit-status",
    ]


@pytest.mark.parametrize("tap", [DEVIATES, KNOWN])
def test_each_verdict_has_a_word_of_lavas(played: Played, tap: str) -> None:
    words = {"": "fail", "ERROR": "fail", "FLAKY": "fail", "DEVIATION": "fail", "MISS": "unknown"}
    words |= {"SKIP": "skip", "TODO": "skip"}
    wanted = []
    for line in tap.splitlines():
        if line.startswith(("# ok ", "# not ok ")):
            result, _, directive = line.partition(" # ")
            word = (
                "pass" if result.startswith("# ok") and not directive else words[directive.partition(" ")[0]]
            )
            wanted.append(f"{result.split()[-1]} --result {word}")
    cases = [line.removeprefix("lava-test-case ") for line in told(played, 1, tap) if "test-set" not in line]
    assert cases == [*wanted, "pnode-run --result fail --measurement 1 --units exit-status"]
    assert wanted


def test_a_run_that_never_began_is_a_failure(played: Played) -> None:
    assert told(played, 2, None) == [
        "lava-test-case pnode-run --result fail --measurement 2 --units exit-status"
    ]
