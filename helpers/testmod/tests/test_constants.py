# SPDX-License-Identifier: GPL-2.0-only
"""The Python enums repeat the header; so they have to agree with it."""

from dataclasses import fields
from enum import IntEnum

import pytest

from helpers.testmod import constants
from helpers.testmod.abi import CONSTANTS, ENUMS
from helpers.testmod.results import Gfp, Held

# Python enum, enum in the header, prefix of its enumerators there, whether those are bit numbers
PAIRS: list[tuple[type[IntEnum], str, str, bool]] = [
    (constants.Callback, "pnt_callback", "PNT_CB_", False),
    (constants.Callbacks, "pnt_callback", "PNT_CB_", True),
    (constants.Kind, "pnt_kind", "PNT_KIND_", False),
    (constants.OnlineType, "pnt_online", "PNT_ONLINE_", False),
    (constants.Object, "pnt_object", "PNT_OBJECT_", False),
    (constants.Entry, "pnt_entry", "PNT_", False),
    (constants.Context, "pnt_context", "PNT_CTX_", False),
    (constants.FreeHow, "pnt_free_how", "PNT_FREE_", False),
    (constants.ZoneList, "pnt_zonelist_which", "PNT_", False),
    (constants.NodeStates, "pnt_node_states", "PNT_N_", True),
    (constants.NodeFlags, "pnt_node_flags", "PNT_NODE_", False),
    (constants.Level, "pnt_level", "PNT_LEVEL_", False),
    (constants.PteFlags, "pnt_pte_flags", "PNT_PTE_", False),
    (constants.PageFlags, "pnt_page_flags", "PNT_PG_", False),
    (constants.Mode, "pnt_mode", "PNT_MODE_", False),
    (constants.Policy, "pnt_policy", "PNT_POLICY_", False),
    (constants.Notify, "pnt_notify", "PNT_NOTIFY_", False),
    (constants.Feature, "pnt_feature", "PNT_FEAT_", False),
    (constants.HotplugAction, "pnt_hotplug_action", "PNT_HP_", False),
    (constants.Migrated, "pnt_migrated", "PNT_MIGRATED_", False),
    (constants.Owner, "pnt_owner", "PNT_OWNER_", False),
    (constants.Flush, "pnt_flush", "PNT_FLUSH_", False),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix", "bits"), PAIRS, ids=[pair[0].__name__ for pair in PAIRS]
)
def test_enum_agrees_with_header(ours: type[IntEnum], theirs: str, prefix: str, bits: bool) -> None:
    header = {
        name.removeprefix(prefix): 1 << value if bits else value
        for name, value in ENUMS[theirs].items()
        if not name.endswith("_COUNT")
    }
    if bits:
        header.pop("MIGRATE_FOLIO", None)  # an event, not a callback that ops could have
        header.pop("FLUSH", None)  # CRAM's, not the ops'
    derived = {"NONE", "ALL"} - set(header)
    assert {member.name: int(member) for member in ours if member.name not in derived} == header


def test_every_enum_of_the_header_is_known() -> None:
    internal = {"pnt_abi", "pnt_limits", "pnt_nr", "pnt_dialect", "pnt_gfp", "pnt_plug_flags"}
    internal |= {"pnt_cram_op", "pnt_kswapd_op", "pnt_boost", "pnt_hold_flags"}
    internal |= {"pnt_alloc_flags", "pnt_counters_flags", "pnt_kept_op", "pnt_pin_flags", "pnt_notifier_op"}
    assert set(ENUMS) == internal | {pair[1] for pair in PAIRS}


def test_gfp_has_every_name() -> None:
    header = {name.removeprefix("PNT_GFP_") for name in ENUMS["pnt_gfp"]} - {"COUNT"}
    assert {field.name for field in fields(Gfp)} == header | {"MASK"}


def test_held_has_every_field() -> None:
    from helpers.testmod.abi import ffi

    assert [field.name for field in fields(Held)] == [
        name for name, _ in ffi.typeof("struct pnt_held").fields
    ]


def test_all_callbacks() -> None:
    assert (1 << CONSTANTS["PNT_CB_OPS_COUNT"]) - 1 == constants.Callbacks.ALL


def test_ops_are_the_bits_of_the_specification() -> None:
    names = "MIGRATION MEMPOLICY DEMOTION PROTECT_WRITE RECLAIM NUMA_BALANCING COMPACTION LONGTERM_PIN"
    assert {name: 1 << bit for bit, name in enumerate(names.split())} == {
        op.name: int(op) for op in constants.Ops if op
    }
    assert sum(constants.Ops) == constants.NP_OPS_MASK
