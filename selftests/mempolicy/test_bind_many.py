# SPDX-License-Identifier: GPL-2.0-only
"""MPL-05: BIND to ordinary and private nodes together."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.constants import Mode
from helpers.nodes import Node
from selftests.mempolicy.placing import HUGE, PAGES, Faulted, nearest

SIZES = [pytest.param(PAGES, False, id="base", marks=core), pytest.param(HUGE, True, id="huge")]


@requirement("MPL-05")
@pytest.mark.local
@core
@pytest.mark.parametrize("mask", ["DP", "PE", "PQ", "PQE", "DEPQ"])
def test_nearest_node_first(nodes: dict[str, int], ordinary_node: Node, faulted: Faulted, mask: str) -> None:
    nids = [nodes[letter] for letter in mask]
    first = nearest(ordinary_node, nids)
    where = faulted(Mode.BIND, nids)
    distances = ordinary_node.distances()
    assert where.absent == 0, f"BIND {nids}: {where}"
    assert set(where.counts) <= first, f"BIND {nids}, nearest is {first} (distances {distances}): {where}"


@requirement("MPL-05")
@pytest.mark.parametrize("mask", ["PE", "PQ"])
def test_huge_pages_on_the_nearest_node_first(
    nodes: dict[str, int], ordinary_node: Node, faulted: Faulted, mask: str
) -> None:
    nids = [nodes[letter] for letter in mask]
    first = nearest(ordinary_node, nids)
    where = faulted(Mode.BIND, nids, HUGE, thp=True)
    assert where.absent == 0, f"BIND {nids}: {where}"
    assert set(where.counts) <= first, f"BIND {nids}, nearest is {first}: {where}"


@requirement("MPL-05")
@pytest.mark.parametrize(("pages", "thp"), SIZES)
@pytest.mark.parametrize("mask", ["DP", "PE"])
def test_full_private_node_is_no_failure(
    nodes: dict[str, int], p: PrivateNode, faulted: Faulted, mask: str, pages: int, thp: bool
) -> None:
    nids = [nodes[letter] for letter in mask]
    (rest,) = (nid for nid in nids if nid != p.nid)
    with p.fill():
        where = faulted(Mode.BIND, nids, pages, thp=thp)
    assert where.all_on(rest), f"BIND {nids} with node {p.nid} full: {where}"


@requirement("MPL-05")
@core
def test_next_private_node_when_the_nearest_is_full(p: PrivateNode, q: PrivateNode, faulted: Faulted) -> None:
    for full, other in ((p, q), (q, p)):
        with full.fill():
            where = faulted(Mode.BIND, [p.nid, q.nid])
        assert where.all_on(other.nid), f"BIND {{{p.nid},{q.nid}}} with {full} full: {where}"
