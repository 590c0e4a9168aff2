# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter."""

import os
import shlex
import time
from collections.abc import Callable, Iterator

import pytest

from fixtures.armed import RACING
from fixtures.bench import Bench
from fixtures.cgroups import CgroupFactory
from fixtures.invariants import allow_splat
from fixtures.process import ChildFactory
from fixtures.races import TRYING
from helpers import failing
from helpers.nodes import Node
from helpers.stress import REQUIREMENTS
from selftests.stress.crew import Crew
from selftests.stress.scene import SIZE, Scene, draw, parse
from selftests.stress.stage import Played, Stage, expected

#: `play("STR-01", "unplug: unplug ok") -> Played`: the scene of that requirement; AssertionError with all
#: that was wrong, or when one of these things did not happen (Played.did).
Play = Callable[..., Played]


#: Times that a scene is played once more, in which not all has happened that it is there for: on a busy host
#: four actors may not come to much, and that is no finding.
MORE = 5


@pytest.fixture(scope="session")
def crew() -> Iterator[Callable[[], Crew]]:
    """`crew()`: the workers, started when first asked for and again when one of them was lost."""
    running: list[Crew] = []

    def ready() -> Crew:
        if running and not running[0].whole:
            running.pop().close()
        if not running:
            running.append(Crew(SIZE))
        return running[0]

    yield ready
    for one in running:
        one.close()


@pytest.fixture
def play(
    request: pytest.FixtureRequest,
    bench: Bench,
    ordinary_nodes: list[Node],
    cgroup: CgroupFactory,
    child: ChildFactory,
    crew: Callable[[], Crew],
    record_property: Callable[[str, object], None],
) -> Play:
    config = request.config
    stage = Stage(bench, ordinary_nodes, cgroup, child, crew)

    def run(requirement: str, *did: str) -> Played:
        given = config.getoption("--stress-scene")
        seconds = config.getoption("--stress-seconds") / REQUIREMENTS
        scene = parse(given) if given else draw(requirement, config.getoption("--stress-seed"), seconds)
        if scene.refuse and not failing.available():
            pytest.skip("needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS")
        if len(bench.claim()) < 2:
            pytest.skip("needs another claimable range")
        for expression, reason in expected(scene).items():
            request.node.add_marker(allow_splat(expression, reason=reason))
        crew()  # its start is no part of the race
        config.stash[RACING] = time.monotonic()
        played = stage.play(scene)
        record_property("scene", str(scene))
        record_property("calls per second", played.rate())
        record_property("calls", dict(sorted(played.did().items())))
        if played.samples is not None:
            request.node.user_properties.append(played.samples.property(str(scene)))
        if played.wrong:
            lines = [*played.wrong, f"this scene again: {_again(request.node.nodeid, scene)}"]
            if config.getoption("--stress-shrink"):
                lines += _smaller(stage, request.node.nodeid, scene, config.getoption("--stress-shrink"))
            raise AssertionError("\n".join(lines))
        if given or config.stash.get(TRYING, False):
            return played
        for left in reversed(range(MORE + 1)):
            missing = [what for what in did if not played.did()[what]]
            if not missing or not left:
                break
            played.go_on(stage.play(scene))
            assert not played.wrong, "\n".join([*played.wrong, _again(request.node.nodeid, scene)])
        assert not missing, (
            f"{scene}: this did not happen: {', '.join(missing)}; what did: {dict(played.did())}"
        )
        return played

    return run


def _smaller(stage: Stage, nodeid: str, scene: Scene, seconds: float) -> list[str]:
    found = stage.shrink(scene, seconds)
    if found is None:
        return ["the same scene did not fail once more"]
    return [f"smallest that failed: {_again(nodeid, found)}"]


def _again(nodeid: str, scene: Scene) -> str:
    topology = os.environ.get("PNODE_TOPOLOGY", "")
    where = " --here" if topology == "here" else f" --topology {topology}" if topology else ""
    return f"tools/pnode run{where} -- {shlex.quote(nodeid)} --stress-scene {shlex.quote(str(scene))}"
