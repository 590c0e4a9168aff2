# SPDX-License-Identifier: GPL-2.0-only
"""CBK-01: which ops node_private_set_ops() takes. All mixes, against a model."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.outcome import OK, outcome
from helpers.testmod import Callbacks, Ops, TestModule
from selftests.callbacks.legal import FOR_MIGRATION, flag_sets, legal

MOVERS = {
    "no_mover": Callbacks.NONE,
    "migrate_to": Callbacks.MIGRATE_TO,
    "folio_migrate": Callbacks.FOLIO_MIGRATE,
    "both_movers": FOR_MIGRATION,
}
OTHERS = {"alone": Callbacks.NONE, "with_all_others": Callbacks.ALL & ~FOR_MIGRATION}
BEYOND = [1 << bit for bit in (8, 9, 15, 31, 32, 63)]


@requirement("CBK-01")
@core
@pytest.mark.parametrize("movers", MOVERS.values(), ids=MOVERS)
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_exactly_the_legal_mixes_are_accepted(
    closed_node: PrivateNode, mod: TestModule, movers: Callbacks, others: Callbacks
) -> None:
    callbacks, standing, wrong = movers | others, Ops.NONE, {}
    for flags in flag_sets():
        expected = OK if legal(flags, callbacks) else "EINVAL"
        seen = outcome(mod.set_ops, closed_node.nid, flags, callbacks)
        standing = flags if expected == OK else standing
        found = Ops(closed_node.state().ops_flags)
        if (seen, found) != (expected, standing):
            wrong[flags] = f"{seen}, then {found!r} is set; expected {expected}, then {standing!r}"
            standing = found
    closed_node.flags = standing  # for the bench, which closes it again
    assert not wrong, f"{len(wrong)} of 256 with callbacks {callbacks!r}: {wrong}"


@requirement("CBK-01a")
@core
@pytest.mark.parametrize("known", [Ops.NONE, Ops.RECLAIM], ids=["alone", "beside_a_known_one"])
def test_a_flag_of_no_service_is_refused(open_node: OpenNode, mod: TestModule, known: Ops) -> None:
    node = open_node(Ops.LONGTERM_PIN)
    seen = {bit: outcome(mod.set_ops, node.nid, bit | known) for bit in BEYOND}
    assert seen == dict.fromkeys(BEYOND, "EINVAL")
    assert node.state().ops_flags == Ops.LONGTERM_PIN, "a refused call changed the flags"
