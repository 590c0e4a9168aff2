# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter."""

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
from helpers.stress import SCENES
from selftests.stress.crew import Crew
from selftests.stress.scene import SIZE, Scene, draw, own, parse
from selftests.stress.stage import Played, Stage, expected

#: `play("STR-01", "unplug: unplug ok") -> Played`: the scene of that requirement; AssertionError with all
#: that was wrong, or when one of these things did not happen (Played.missing).
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
        seconds = config.getoption("--stress-seconds") / SCENES
        scene = parse(given) if given else draw(requirement, config.getoption("--stress-seed"), seconds)
        if scene.refuse and not failing.available():
            pytest.skip("needs FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS")
        if len(bench.claim()) < 2:
            pytest.skip("needs another claimable range")
        for expression, reason in expected(scene).items():
            request.node.add_marker(allow_splat(expression, reason=reason))
        crew()  # its start is no part of the race
        config.stash[RACING] = time.monotonic()
        record_property("scene", str(scene))  # before anything fails: what is printed has it
        played = stage.play(scene)
        record_property("calls per second", played.rate())
        if played.samples is not None:
            request.node.user_properties.append(played.samples.property(str(scene)))
        # A scene of somebody's own may lack what the requirement is about.
        looked_for = [] if config.stash.get(TRYING, False) or not own(requirement, scene) else did
        missing = played.missing(looked_for)
        for _more in range(MORE):
            if played.wrong or not missing:
                break
            played.go_on(stage.play(scene))
            missing = played.missing(looked_for)
        record_property("pages without an account, more than before", played.unaccounted)
        if played.left_out:
            record_property("not looked at", played.left_out)
        record_property("calls", dict(sorted(played.did().items())))
        if played.wrong:
            lines = [*played.wrong, f"this scene again: {_again(scene)}"]
            if config.getoption("--stress-shrink"):
                lines += _smaller(stage, scene, config.getoption("--stress-shrink"))
            raise AssertionError("\n".join(lines))
        assert not missing, (
            f"this did not happen: {'; '.join(missing)}; what did: {dict(played.did())}\n"
            f"this scene again: {_again(scene)}"
        )
        return played

    return run


def _smaller(stage: Stage, scene: Scene, seconds: float) -> list[str]:
    found = stage.shrink(scene, seconds)
    if found is None:
        return ["the same scene did not fail once more"]
    return [f"smallest that failed: {_again(found)}"]


def _again(scene: Scene) -> str:
    """What to give beside the rest of the command, which only the runner knows: kernel, build, flavour or
    machine. The line `again:` of its summary has all of it, and the scene that failed."""
    return f"--stress-scene {shlex.quote(str(scene))}"
