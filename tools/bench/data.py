# SPDX-License-Identifier: GPL-2.0-only
"""measures.toml, parsed and checked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import UserError
from tools.guest.topology import size

DATA = Path(__file__).with_name("measures.toml")
TARGETS = frozenset(
    ("call_over_c", "page_over_c", "rerun_to_qemu", "first_over_bare", "warm_over_cold", "efficiency_loss")
)


@dataclass(frozen=True)
class Calls:
    """`pages` a call, rounds, and seconds of a variant in one."""

    pages: tuple[int, ...]
    rounds: int
    budget: float


@dataclass(frozen=True)
class Residency:
    """Bytes, and rounds of each."""

    sizes: tuple[int, ...]
    rounds: tuple[int, ...]


@dataclass(frozen=True)
class Growth:
    """Pages and memory blocks, rounds of the former and of plugging."""

    pages: tuple[int, ...]
    blocks: tuple[int, ...]
    rounds: int
    plugs: int


@dataclass(frozen=True)
class Runs:
    """What `pnode run` is asked for; `least` is one test."""

    topology: str
    selection: tuple[str, ...]
    guests: tuple[int, ...]
    least: tuple[str, ...]
    reruns: int


@dataclass(frozen=True)
class Peers:
    """Selftests of the kernel: sources below mm/ without their suffix; scripts below tools/testing/selftests,
    and the programs that those call."""

    kselftests: tuple[str, ...]
    scripts: tuple[str, ...]
    programs: tuple[str, ...]
    rounds: int


@dataclass(frozen=True)
class Measures:
    """All of the file."""

    calls: Calls
    residency: Residency
    growth: Growth
    runs: Runs
    peers: Peers
    targets: Mapping[str, float]


def load(path: Path = DATA) -> Measures:
    """Raises UserError, naming the key, when it is wrong."""
    try:
        return _build(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error


def _build(data: dict[str, Any]) -> Measures:
    tables = {name: {key: _frozen(value) for key, value in table.items()} for name, table in data.items()}
    residency = dict(tables["residency"])
    residency["sizes"] = tuple(size(text) for text in residency["sizes"])
    if len(residency["sizes"]) != len(residency["rounds"]):
        raise ValueError("[residency] rounds: one number for each of sizes")
    for table, key in (("calls", "pages"), ("growth", "pages"), ("growth", "blocks")):
        if len(tables[table][key]) < 2:
            raise ValueError(f"[{table}] {key}: growth needs at least two")
    if set(tables["targets"]) != TARGETS:
        raise ValueError(f"[targets]: has to name exactly {', '.join(sorted(TARGETS))}")
    if 1 not in tables["runs"]["guests"]:
        raise ValueError("[runs] guests: 1 is what the others are compared with")
    return Measures(
        Calls(**tables["calls"]),
        Residency(**residency),
        Growth(**tables["growth"]),
        Runs(**tables["runs"]),
        Peers(**tables["peers"]),
        tables["targets"],
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
