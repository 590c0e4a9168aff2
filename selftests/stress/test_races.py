# SPDX-License-Identifier: GPL-2.0-only
"""STR: several actors at once on one kernel. Each read of each actor verifies its page; when all is over
nothing is lost, and the kernel has said nothing.

What plays is in scenes.toml, what an act does in acts/. A test names what has to have happened, so that no
scene passes because nothing came of it.
"""

import pytest

from fixtures.invariants import oom_expected
from fixtures.requirement import requirement
from fixtures.selection import disruptive, every_cpu
from selftests.stress.acts.greed import ENOUGH
from selftests.stress.acts.splits import SPLITTER
from selftests.stress.conftest import Play

#: An actor that is killed where nothing may kill it is a finding of the scene, whoever did it.
pytestmark = [oom_expected, disruptive, every_cpu, pytest.mark.topology("fast", "here")]


@requirement("STR-01")
def test_faults_against_unplug(play: Play) -> None:
    """More than once: what comes back has to go again."""
    play("STR-01", "unplug: unplug ok", "unplug: unplug ok")


@requirement("STR-02")
def test_ops_against_faults_migration_and_reclaim(play: Play) -> None:
    play("STR-02", "ops: set_ops ok", "ops: clear_ops ok", "pingpong: move_pages ok", "tiers: reclaim ok")


@requirement("STR-03")
def test_fork_storms(play: Play) -> None:
    play("STR-03", "forks: fork ok")


@requirement("STR-04")
def test_pages_between_nodes(play: Play) -> None:
    play("STR-04", "pingpong: move_pages ok")


@requirement("STR-05")
def test_policy_walks(play: Play) -> None:
    play("STR-05", "walks: mbind ok")


@requirement("STR-06")
def test_overfilled(play: Play) -> None:
    """By a kill or by an errno, and not before it had a good part of P."""
    ends = ("ended by SIGKILL", "ended by SIGBUS", *(f"populate {name}" for name in ENOUGH))
    play("STR-06", "greed: half of P", " | ".join(f"greed: {end}" for end in ends))


@requirement("STR-07")
def test_cpusets_flip(play: Play) -> None:
    play("STR-07", "cpusets: cpuset ok")


@requirement("STR-08")
def test_demotion_and_promotion(play: Play) -> None:
    play("STR-08", "demoted", "tiers: move_pages ok")


@requirement("STR-09")
def test_split_and_collapse(play: Play) -> None:
    by_request = ["split on P"] if SPLITTER.exists() else []
    play("STR-09", "splits: collapse of pieces ok", *by_request)


@requirement("STR-10")
def test_pins_and_unplug(play: Play) -> None:
    play("STR-10", "pins: pin ok", "unplug: unplug ok")


@requirement("STR-11")
def test_poison(play: Play) -> None:
    play("STR-11", "poison: poison ok")


@requirement("STR-12")
def test_refused_allocations(play: Play) -> None:
    play("STR-12", "refused", "unplug: unplug ok")


@requirement("STR-12")
def test_refused_allocations_of_services_and_cpusets(play: Play) -> None:
    play("STR-12-services", "refused", "ops: set_ops ok", "cpusets: cpuset ok", "walks: mbind ok")


@requirement("STR-12")
def test_refused_allocations_of_a_full_node_with_bad_pages(play: Play) -> None:
    play("STR-12-full", "refused", "greed: half of P", "poison: poison ok", "forks: fork ok")
