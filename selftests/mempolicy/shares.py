# SPDX-License-Identifier: GPL-2.0-only
"""How interleaved pages are shared out among nodes, and the weights that decide it."""

from pathlib import Path

from fixtures.knobs import KnobSetter
from helpers.residency import Residency

TOLERANCE = 0.05
WEIGHTS = Path("/sys/kernel/mm/mempolicy/weighted_interleave")


def shares(where: Residency, weights: dict[int, int]) -> dict[int, float]:
    """Pages found on each node as a fraction of those that its weight promises."""
    whole = sum(weights.values())
    return {nid: where.counts[nid] * whole / (len(where.nodes) * weight) for nid, weight in weights.items()}


def assert_shares(where: Residency, weights: dict[int, int]) -> None:
    assert set(where.counts) == set(weights), f"weights {weights}: {where}"
    found = shares(where, weights)
    assert all(abs(share - 1) <= TOLERANCE for share in found.values()), (
        f"weights {weights}: {where}; {found}"
    )


def set_weights(knob: KnobSetter, weights: dict[int, int]) -> None:
    """Weights of the nodes until the test ends; kernels that choose weights by themselves stop doing so."""
    if (WEIGHTS / "auto").exists():
        knob(str(WEIGHTS / "auto"), "false")
    for nid, weight in weights.items():
        knob(str(WEIGHTS / f"node{nid}"), weight)
