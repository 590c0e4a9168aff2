# SPDX-License-Identifier: GPL-2.0-only
"""What others' tests of the same kernel cost, in the same guest: selftests of the kernel's own source.

Those in C are compiled from the source that the reference kernel was made of, statically, without the build
system around them; those in shell come with the programs that they call. A result line is one behaviour, as a
test of ours is.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench import native, rounds
from tools.bench.data import Peers
from tools.bench.row import SECONDS, TIMES, Row
from tools.bench.runner import Ran
from tools.errors import UserError
from tools.guest import elf
from tools.kernel import recipe, source

PEERS = "peers"
HEADINGS = {
    PEERS: "selftests of the kernel's source, in the same guest: a result line of theirs, a test of ours."
    " Not the same: theirs plug no node, tell no page by its frame, and read no kernel log"
}
_SELFTESTS = "tools/testing/selftests"
_SHARED = ("vm_util.c", "thp_settings.c")


@dataclass
class Programs:
    """What goes into the guest: `files` by name, `libraries` (programs and libraries at their own paths), and
    a row for each that could not be had."""

    files: dict[str, Path] = field(default_factory=dict)
    libraries: tuple[Path, ...] = ()
    lost: list[Row] = field(default_factory=list)


def programs(wanted: Peers, folder: Path) -> Programs:
    """Have what can be had, compiled into `folder`."""
    tree = source.unpacked(recipe.load().package)
    if tree is None:
        note = "not measured: the kernel's source is not in the cache"
        return Programs(lost=[Row(PEERS, "all", None, SECONDS, note)])
    found = Programs()
    for name in wanted.kselftests:
        try:
            found.files[name] = _compiled(name, tree.path, folder)
        except UserError as error:
            found.lost.append(Row(PEERS, name, None, SECONDS, f"not measured: {error}"))
    places = {name: shutil.which(name) for name in wanted.programs}
    missing = [name for name, place in places.items() if place is None]
    scripts = [tree.path / _SELFTESTS / name for name in wanted.scripts]
    if missing:
        note = f"not measured: {', '.join(missing)}: not installed here"
        found.lost += [Row(PEERS, script.name, None, SECONDS, note) for script in scripts]
    elif scripts:
        paths = [place for place in places.values() if place is not None]
        found.files |= {script.name: script for script in scripts}
        found.libraries = tuple(Path(path) for path in (*paths, *elf.shared_libraries(paths)))
    return found


def _compiled(name: str, tree: Path, folder: Path) -> Path:
    mm = tree / _SELFTESTS / "mm"
    include = [
        "-w",
        f"-I{mm.parent}",
        f"-I{tree / 'tools/include/uapi'}",
        "-isystem",
        f"{tree / 'include/uapi'}",
    ]
    return native.static(name, [mm / f"{name}.c", *(mm / file for file in _SHARED)], folder, include)


def rows(found: Sequence[Mapping[str, Any]], ours: Ran | None) -> Iterator[Row]:
    """Seconds of a result line, and how many times that a test of `ours` takes, all phases."""
    for one in found:
        results = one["passed"] + one["failed"]
        note = f"{one['passed']} passed, {one['failed']} failed, {one['skipped']} skipped"
        if not results:
            yield Row(PEERS, one["name"], None, SECONDS, f"not measured: {note}, status {one['status']}")
            continue
        each = [seconds / results for seconds in one["seconds"]]
        yield Row(PEERS, f"{one['name']}, a result", rounds.value(each), SECONDS, note)
        if ours and ours.split.tests:
            mean = ours.split.busy / ours.split.tests
            over = rounds.value([mean / seconds for seconds in each])
            what = f"the mean of {ours.planned} tests"
            yield Row(PEERS, f"a test of ours over {one['name']}", over, TIMES, what)
