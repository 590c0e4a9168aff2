# SPDX-License-Identifier: GPL-2.0-only
"""The conductor: sets a scene up, has the crew play it, looks on meanwhile, and says what was wrong."""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from fixtures.bench import Bench
from fixtures.cgroups import CgroupFactory
from fixtures.private import PrivateNode
from fixtures.process import ChildFactory, ChildTimeout
from fixtures.ranges import provided
from fixtures.settling import drain, lost_pages
from fixtures.tiers import FAR
from helpers import failing, kmsg
from helpers.cgroup import Cgroup
from helpers.knobs import Knobs
from helpers.memory import PAGE_SIZE
from helpers.nodes import Node
from helpers.pace import scaled
from helpers.swap import swap_on
from helpers.testmod import Callback, Callbacks, Ops
from helpers.wait import wait_until
from selftests.callbacks.poison import heal
from selftests.stress.actor import REFUSED_ONE
from selftests.stress.acts import PARTS
from selftests.stress.asleep import STILL, Asleep
from selftests.stress.crew import GRACE, Crew
from selftests.stress.look import Look
from selftests.stress.mapped import foreign
from selftests.stress.ordinary import Ordinary
from selftests.stress.playing import Act, Told
from selftests.stress.scene import Scene, smaller
from selftests.stress.watch import Account, Sampler, apart, bad_frames, demotions
from selftests.stress.world import Extent, World

__all__ = ["Played", "Stage", "expected"]

#: Seconds between two looks at workers and nodes.
LOOK = 0.25
#: Attempts to make a failing scene smaller.
ATTEMPTS = 8
#: Seconds until everything has come home after a scene.
HOME = 10.0
#: Of clear_ops() on a node that the actors have closed, or unplugged.
CLOSED = (errno.EINVAL, errno.ENODEV)
REGISTERING = "__register_one_node"
#: May say that a page cannot be had, wherever it is asked.
ALLOCATING = "should_fail_alloc_page"
#: KASAN's answer to memory that comes online and of which it gets no shadow is NOTIFY_BAD: EPERM.
SHADOWING = "kasan_mem_notifier"


def expected(scene: Scene) -> dict[str, str]:
    """What the kernel may say in a scene: a regular expression, and why."""
    found = {}
    if scene.refuse or any(PARTS[name].shaky for name in scene.acts):
        # Of a call that got no page although it wanted one; not where it has to get one.
        found["page allocation failure: order:"] = "a node that is full or going has no page to give"
    if scene.refuse:
        found[failing.SECTIONS_WARNING] = "the WARN_ON_ONCE of add_pages(), not of the series"
    return found


@dataclass
class Played:
    """What came of a scene."""

    scene: Scene
    told: list[Told] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    samples: Sampler | None = None
    demoted: int = 0
    splits: int = 0  # calls of folio_split, of P
    #: Pages of each ordinary node, more than before, of which the kernel has no account.
    unaccounted: dict[int, int] = field(default_factory=dict)
    left_out: str = ""  # what was not looked at that else is, and why

    def did(self) -> Counter[str]:
        """What came of it: "act: call outcome", "act: ended by signal", "demoted", "split on P", "refused" ->
        how often."""
        found = Counter({"demoted": self.demoted, "split on P": self.splits})
        for one in self.told:
            found.update({f"{one.act.name}: {name}": count for name, count in one.calls.items()})
            found.update({f"{one.act.name}: ended by {name}": count for name, count in one.lives.items()})
            found["refused"] += one.calls[REFUSED_ONE]
        return +found

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """What of this did not happen, or not as often as it is named. Of alternatives, "a | b", each
        counts."""
        did = self.did()
        often = Counter(wanted).items()
        return [what for what, times in often if sum(did[one] for one in what.split(" | ")) < times]

    def go_on(self, more: "Played") -> None:
        """The same scene, played once more."""
        self.told += more.told
        self.wrong += more.wrong
        self.demoted += more.demoted
        self.splits += more.splits

    def rate(self) -> dict[str, float]:
        """Calls per second by act, of all that play it."""
        return {
            name: round(
                sum(one.calls.total() / max(one.seconds, 1e-3) for one in self.told if one.act.name == name),
                1,
            )
            for name in dict.fromkeys(one.act.name for one in self.told)
        }


class Stage:
    """Plays scenes on the machine of `bench`, with the workers that `crew()` gives."""

    def __init__(
        self,
        bench: Bench,
        ordinary: list[Node],
        cgroup: CgroupFactory,
        child: ChildFactory,
        crew: Callable[[], Crew],
    ) -> None:
        self.bench, self.ordinary, self.cgroup, self.child, self.crew = bench, ordinary, cgroup, child, crew

    def play(self, scene: Scene) -> Played:
        """One scene from an empty machine to an empty machine."""
        kmsg.mark(f"pnode-stress: {scene}", level=5)
        with ExitStack() as stack, kmsg.KernelLog.tail() as log:
            world, nodes = self._set(scene, stack)
            played = Played(scene)
            acts = self._acts(scene, world)
            watched = [node.nid for node in nodes]
            account = Account(self.bench.mod, watched)
            account.open()
            # On a machine that others use nothing stands still, and a RAM disk keeps what was swapped to it.
            quiet = "here" not in provided() and "tiers" not in scene.acts
            before, ordinary = demotions(), Ordinary(self.ordinary if quiet else [])
            self._watch(played, acts, world)
            played.demoted = demotions() - before
            played.splits = self.bench.mod.counters(watched[0]).calls[Callback.FOLIO_SPLIT]
            if not played.wrong:
                played.wrong += self._rest(nodes)
            if not played.wrong:
                assert world.group is not None
                played.wrong += foreign(world.group)
                played.wrong += ordinary.missing(HOME)
                played.unaccounted = ordinary.more()
            counted = not any(PARTS[name].uncounted for name in scene.acts)
            if counted and not (counted := apart(watched)):
                played.left_out = "pages told of: ordinary memory is in ZONE_MOVABLE, too"
            if counted and not played.wrong and (broken := account.close()):
                played.wrong.append(broken)
            if not played.wrong:
                played.wrong += self._references(nodes)
            may = expected(scene)
            for splat in kmsg.splats(log.read()):
                if not any(kmsg.found_in(splat, expression) for expression in may):
                    played.wrong.append(f"kernel log: {splat}")
        return played

    def shrink(self, scene: Scene, seconds: float) -> Scene | None:
        """The smallest scene that still fails, of those tried; None when not even the same fails again."""
        until, found = time.monotonic() + scaled(seconds), None
        candidates, attempts = [scene], 0
        while candidates and attempts < ATTEMPTS and time.monotonic() < until and self.bench.lost is None:
            candidate, attempts = candidates.pop(0), attempts + 1
            if self.play(candidate).wrong:
                found, candidates = candidate, list(smaller(candidate))
            if self.bench.settle():
                break  # what is broken now is not the next scene's doing
        return found

    # --- setting up ----------------------------------------------------------------------

    def _set(self, scene: Scene, stack: ExitStack) -> tuple[World, list[PrivateNode]]:
        parts = [PARTS[name] for name in scene.acts]
        knobs = stack.enter_context(Knobs())
        group: Cgroup = self.cgroup("memory", "cpuset")
        nodes: dict[str, int] = dict(zip("DE", (node.nid for node in self.ordinary), strict=False))
        if "tiers" in scene.acts:
            knobs.set("/sys/kernel/mm/numa/demotion_enabled", "true")
            stack.enter_context(swap_on(size=64 << 20))
        plugged = [self._plug(0, scene.flags, lower="tiers" in scene.acts)]
        extent = None
        if any(part.takes == "Q" for part in parts):
            bare = self.bench.range(1)
            extent = Extent(bare.nid, bare.start, bare.block)
            nodes["Q"] = bare.nid
        else:
            plugged.append(self._plug(1, scene.flags & ~Ops.DEMOTION))
        nodes |= dict(zip("PQ", (node.nid for node in plugged), strict=False))
        if scene.refuse:
            stack.enter_context(failing.failing())
            stack.enter_context(failing.by_function(ALLOCATING))
            if failing.stack_filter():
                # Where the kernel itself has a BUG_ON(), of old: see hotplug/test_failed_allocations.py.
                stack.enter_context(failing.sparing(REGISTERING))
        world = World(
            nodes, int(scene.flags & ~Ops.DEMOTION) if extent else int(scene.flags), extent, group.path,
            *(any(getattr(part, name) for part in parts) for name in ("shaky", "deadly", "spreads")),
            refuse=scene.refuse, shadowed=scene.refuse and failing.has_function(SHADOWING),
        )  # fmt: skip
        return world, plugged

    def _plug(self, index: int, flags: Ops, *, lower: bool = False) -> PrivateNode:
        """P or Q with these flags; further away than DRAM if it is to be demoted to."""
        if lower:
            node = self.bench.range(index).plug(ops=flags, callbacks=Callbacks.ALL, adistance=FAR)
        else:
            node = self.bench.node(index)
            node.set_ops(flags, Callbacks.ALL)
        node.reset_counters()
        return node

    @staticmethod
    def _acts(scene: Scene, world: World) -> list[Act]:
        return [Act(name, place, scene.seed, 0.0, world) for place, name in enumerate(scene.acts)]

    # --- playing -------------------------------------------------------------------------

    def _watch(self, played: Played, acts: list[Act], world: World) -> None:
        assert world.group is not None
        crew = self.crew()
        until = time.monotonic() + played.scene.seconds
        acts = [Act(act.name, act.place, act.seed, until, act.world) for act in acts]
        crew.give(acts)
        sampler = played.samples = Sampler(crew.pids[: len(acts)], [act.name for act in acts])
        look = Look(played.scene, world.group)
        asleep, lost = Asleep(crew.pids[: len(acts)], scaled(STILL)), list[str]()
        last = until + scaled(GRACE) + scaled(GRACE)
        open_: set[int] = set(range(len(acts)))
        while open_ and not lost and time.monotonic() < last:
            for index, told in crew.told(open_, LOOK):
                open_.discard(index)
                if told is None:
                    played.wrong.append(
                        f"{acts[index].name}, place {index}: its worker is gone: {crew.output()}"
                    )
                else:
                    played.told.append(told)
                    played.wrong += told.wrong
            sampler.take()
            lost = asleep.lost()
            played.wrong += look.take() if not played.wrong else []
        played.wrong += lost
        for index in open_ if not lost else ():
            played.wrong.append(
                f"{acts[index].name}, place {index}: no answer {last - until:.0f} s after the end"
            )
        if open_ or not crew.whole:
            crew.kill()

    def _rest(self, nodes: list[PrivateNode]) -> list[str]:
        """The actors are gone: everything has to be as it was."""
        wrong = []
        for node in nodes:
            for pfn in bad_frames(node.nid):
                heal(pfn)

            def home(node: PrivateNode = node) -> bool:
                drain()
                return node.free_pages() == node.managed_pages()

            try:
                wait_until(home, HOME, "")
            except TimeoutError:
                missing = node.managed_pages() - node.free_pages()
                wrong.append(
                    f"{node}: {missing} of {node.managed_pages()} pages did not come back: {lost_pages(node)}"
                )
            if node.managed_pages() * PAGE_SIZE != node.size:
                wrong.append(
                    f"{node}: {node.managed_pages()} pages are managed, {node.size // PAGE_SIZE} were plugged"
                )
        return wrong

    def _references(self, nodes: list[PrivateNode]) -> list[str]:
        """Nobody has a reference to the ops any more: who clears them waits for all that are left, and would
        do so for ever. A child, for that reason; what it has closed is closed."""

        def clear() -> None:
            for node in nodes:
                try:
                    node.clear_ops()
                except OSError as error:
                    if error.errno not in CLOSED:
                        raise

        try:
            self.child(clear, timeout=STILL)
        except ChildTimeout as waits:
            return [f"clear_ops() waits for a reference that nobody has: {waits}"]
        return []
