# SPDX-License-Identifier: GPL-2.0-only
"""What a hardware run is going to do, as text: printed before it does anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fixtures.knobs import SESSION_KNOBS
from helpers import cxl, dax
from helpers.knobs import knob
from helpers.nodes import has_private_memory, node_list
from helpers.swap import swaps
from tools.cli.collect import Collected
from tools.errors import UserError
from tools.hardware.journal import DIRECTORY, FILE
from tools.hardware.targets import Provisioned, Target


@dataclass(frozen=True)
class Hardware:
    """What is tested: `targets` of the controlled set, or else the node that a driver has made."""

    targets: tuple[Target, ...]
    node: Provisioned | None
    allow_disruptive: bool

    def environment(self) -> dict[str, str]:
        """What tells the suite where it is."""
        words = {
            "PNODE_TOPOLOGY": "here",
            "PNODE_PROVIDES": "cxl-region" if any(_in_a_region(one) for one in self.targets) else "",
            "PNODE_ALLOW_DISRUPTIVE": "1" if self.allow_disruptive else "",
            "PNODE_DAX": ",".join(one.device.name for one in self.targets),
            "PNODE_PROVISIONED": "",
        }
        if self.node is not None:
            services = "|".join(flag.name or "" for flag in self.node.flags)
            words["PNODE_PROVISIONED"] = f"{self.node.nid}:{services}"
        return words


def _in_a_region(target: Target) -> bool:
    """Whether it is the dax device of a CXL region."""
    return any(device.name == target.device.name for one in cxl.regions() if (device := one.dax()))


def require_idle_swap(allow_disruptive: bool) -> None:
    """Raise UserError where swap is on: tests need it off, and others may need it."""
    areas = swaps()
    if areas and not allow_disruptive:
        raise UserError(
            f"swap is on ({areas[0].path}), and tests need it off; swapoff it, or have it off during the run "
            "with --allow-disruptive"
        )


def text(hardware: Hardware, tests: Sequence[Collected], release: str, dialect: str, module: str) -> str:
    """The plan in lines."""
    rows = [("kernel", f"{release}, dialect {dialect}"), *_touched(hardware, module), *_untouched(hardware)]
    rows += _requirements(tests)
    return "\n".join(["plan of this run", *(f"  {name:<10} {line}".rstrip() for name, line in rows)])


def _touched(hardware: Hardware, module: str) -> list[tuple[str, str]]:
    rows = []
    for one in hardware.targets:
        rows.append(
            ("takes", f"{one}; driver now: {one.driver or 'none'}; plugged and unplugged as private memory")
        )
    if hardware.node is not None:
        rows.append(("tests", f"{hardware.node}; as its driver made it"))
    rows.append(("loads", f"{module}, and unloads it"))
    changes = [f"{name} {now} -> {value}" for name, now, value in _changes()]
    rows.append(("sets", ", ".join(changes) or "no knob"))
    areas = [area.path for area in swaps()]
    rows.append(("swap", f"off during the run: {', '.join(areas)}" if areas else "off already"))
    rows.append(("restores", f"all of it at the end, after ^C or a crash; noted in {DIRECTORY / FILE}"))
    return rows


def _changes() -> list[tuple[str, str, str]]:
    found = []
    for name, value in SESSION_KNOBS:
        one = knob(name)
        if one.exists() and (now := one.read()) != str(value) and not (now == "N" and value == "false"):
            found.append((name, now, str(value)))
    return found


def _untouched(hardware: Hardware) -> list[tuple[str, str]]:
    taken = {one.device.name for one in hardware.targets}
    private = {hardware.node.nid} if hardware.node is not None else set()
    rows = [
        ("leaves", f"{one} (driver {one.driver or 'none'})") for one in dax.devices() if one.name not in taken
    ]
    rows += [("leaves", f"private node {nid}") for nid in has_private_memory() or () if nid not in private]
    ordinary = ", ".join(str(nid) for nid in node_list("has_memory") if nid not in private)
    return [*rows, ("uses", f"memory of nodes {ordinary}, as any program does")]


def _requirements(tests: Sequence[Collected]) -> list[tuple[str, str]]:
    runs = {name for test in tests if not test.skipped for name in test.requirements}
    left = {name for test in tests for name in test.requirements} - runs
    reasons: dict[str, set[str]] = {}
    counts = Counter(test.skipped for test in tests if test.skipped)
    for test in tests:
        if test.skipped:
            reasons.setdefault(test.skipped, set()).update(set(test.requirements) & left)
    rows = [
        ("runs", f"{sum(not test.skipped for test in tests)} tests of {len(runs)} requirements: {_ids(runs)}")
    ]
    for reason, ids in sorted(reasons.items()):
        rest = f"; none left of {len(ids)} requirements: {_ids(ids)}" if ids else ""
        rows.append(("skips", f"{counts[reason]} tests: {reason}{rest}"))
    return rows


def _ids(names: set[str]) -> str:
    """By chapter: DSC-01 02 03, ISO-01."""
    chapters: dict[str, list[str]] = {}
    for name in sorted(names):
        chapters.setdefault(name[:3], []).append(name[4:])
    return ", ".join(f"{chapter}-{' '.join(numbers)}" for chapter, numbers in chapters.items())


__all__: Sequence[str] = ("Hardware", "require_idle_swap", "text")
