# SPDX-License-Identifier: GPL-2.0-only
"""All that `pnode bench` measures, in one run: its parts, in an order that lets one use another's numbers."""

import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from tools.bench import bare, digest, guest, native, peers, runner, timing
from tools.bench.data import Measures
from tools.bench.row import SECONDS, Row
from tools.bench.runner import Ran
from tools.bench.timing import Start
from tools.cli import session
from tools.cli.subject import Subject
from tools.errors import UserError
from tools.guest import pool
from tools.guest import topology as topologies

#: What can be chosen, in this order.
PARTS = ("start", "guests", "calls", "residency", "growth", "peers")
IN_GUEST = frozenset({"calls", "residency", "growth", "peers"})
HEADINGS = {**timing.HEADINGS, **digest.HEADINGS, **peers.HEADINGS}
_MIB = 1 << 20

Say = Callable[[str], None]


class Bench:
    """One measurement; `rows` grows while it goes on."""

    def __init__(self, kernel: Subject, data: Measures, say: Say) -> None:
        self.rows: list[Row] = []
        self._kernel, self._data, self._say = kernel, data, say
        self._place = topologies.load(data.runs.topology)
        self._same: Ran | None = None  # the tests that peers are compared with

    def run(self, parts: Collection[str]) -> bool:
        """Measure these parts. One that cannot be measured is told, and the others go on; then False."""
        done = True
        with tempfile.TemporaryDirectory(prefix="pnode-bench-") as scratch:
            folder = Path(scratch)
            if "start" in parts:
                done &= self._try("start", lambda: self._start(folder))
            if "guests" in parts:
                done &= self._try("guests", self._guests)
            if inside := [part for part in PARTS if part in IN_GUEST and part in parts]:
                done &= self._try(inside[0], lambda: self._in_guest(inside, folder))
        return done

    def _try(self, part: str, action: Callable[[], None]) -> bool:
        try:
            action()
        except UserError as error:
            self._say(str(error))
            self.rows.append(Row(part, "the rest", None, SECONDS, f"not measured: {error}"))
            return False
        return True

    def _start(self, folder: Path) -> None:
        wanted = self._data.runs
        boots = bare.prepare(self._place, self._kernel.image, folder)
        starts: list[Start] = []
        for turn in range(1 + wanted.reruns):
            self._say(f"start: bare, cold, and a run of one test, {turn + 1} of {1 + wanted.reruns}")
            starts.append(Start(boots.boot(), self._cold(), self._run(wanted.least, 1)))
        self._say("start: a run of all tests, until one has a result")
        whole = runner.run(["--topology", wanted.topology], None, until_first=True)
        self.rows += timing.start(starts, whole, self._data.targets)
        self.rows += timing.tests([turn.least for turn in starts[1:]], whole)

    def _cold(self) -> float:
        """Seconds that a guest of a run takes until it can be used, when it has to boot."""
        guests = session.Guests(self._place, self._kernel.image, self._kernel.module(), 1, warm=False)
        with (
            tempfile.TemporaryDirectory(prefix="pnode-bench-") as folder,
            pool.start(guests.spec(), 1, Path(folder)) as running,
        ):
            return running.guests[0].seconds["up"]

    def _guests(self) -> None:
        wanted = self._data.runs
        runs: list[Ran] = []
        try:
            for number in sorted(wanted.guests):
                if session.default_guests(self._place, range(number)) < number:
                    note = "not measured: this machine has not the memory"
                    self.rows.append(Row(timing.GUESTS, f"{number} guests", None, SECONDS, note))
                    continue
                self._say(f"guests: the same tests by {number}")
                runs.append(self._run(wanted.selection, number))
        finally:
            if runs:
                self._same = runs[0]
                self.rows += timing.guests(runs, self._data.targets)

    def _run(self, words: Collection[str], guests: int) -> Ran:
        return runner.run(["--topology", self._data.runs.topology, *words], guests)

    def _in_guest(self, parts: Collection[str], folder: Path) -> None:
        files = {"loops.so": native.shared(native.HERE / "loops.c", folder)}
        programs = peers.Programs()
        if "peers" in parts:
            programs = peers.programs(self._data.peers, folder)
            self.rows += programs.lost
        self._say("booting the guest that is measured in")
        module = self._kernel.module()
        files |= programs.files
        with guest.booted(self._place, self._kernel.image, module, files, programs.libraries) as running:
            nodes = [node.id for node in self._place.nodes][:2]  # the first has the CPUs
            for part in PARTS:
                if part in parts and part in IN_GUEST:
                    self._say(f"{part} in the guest, under {running.accel}")
                    getattr(self, f"_{part}")(running, nodes, list(programs.files))

    def _calls(self, running: guest.Guest, nodes: list[int], _programs: Sequence[str]) -> None:
        wanted = self._data.calls
        found = running.call(
            "calls",
            "measure",
            library=f"{guest.FOLDER}/loops.so",
            pages=list(wanted.pages),
            count=wanted.rounds,
            budget=wanted.budget,
            nodes=nodes,
        )
        self.rows += digest.calls(found, self._data.targets)

    def _residency(self, running: guest.Guest, _nodes: list[int], _programs: Sequence[str]) -> None:
        wanted = self._data.residency
        for size, count in zip(wanted.sizes, wanted.rounds, strict=True):
            self._say(f"residency of {size // _MIB} MiB")
            self.rows += digest.residency(running.call("resident", "measure", sizes=[size], counts=[count]))

    def _growth(self, running: guest.Guest, nodes: list[int], _programs: Sequence[str]) -> None:
        wanted = self._data.growth
        pages = running.call(
            "growth", "with_pages", pages=list(wanted.pages), count=wanted.rounds, nodes=nodes
        )
        self.rows += digest.growth("pages", pages)
        blocks = running.call("growth", "with_memory", blocks=list(wanted.blocks), count=wanted.plugs)
        self.rows += digest.growth("memory blocks", blocks)
        self.rows += digest.growth("private nodes", running.call("growth", "with_nodes", count=wanted.plugs))

    def _peers(self, running: guest.Guest, _nodes: list[int], programs: Sequence[str]) -> None:
        paths = [f"{guest.FOLDER}/{name}" for name in programs]
        found = running.call("peers", "run", programs=paths, count=self._data.peers.rounds)
        self.rows += peers.rows(found, self._same)
