# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel takes a node for, in one word, so that a life cycle reads as a list of words."""

from pathlib import Path

from helpers.nodes import has_private_memory, memory_blocks, node_list
from helpers.testmod import NodeFlags, NodeStates, OnlineType, TestModule, ZoneList

#: No memory and no registration.
BARE = "bare"
#: Registered as private, and without online memory.
REGISTERED = "registered"
#: Registered and with online memory: N_MEMORY_PRIVATE.
PRIVATE = "private"
#: With memory for everybody: N_MEMORY.
ORDINARY = "ordinary"

ZONES = {OnlineType.MOVABLE: "Movable", OnlineType.KERNEL: "Normal"}


def standing(testmod: TestModule, nid: int) -> str:
    """One of the four words; anything else names the states and flags that do not go together.

    Asks the kernel's own structures (node states, pgdat->private, the registered object) and sysfs.
    """
    state = testmod.node_state(nid)
    private, registered = NodeFlags.PRIVATE in state.flags, NodeFlags.REGISTERED in state.flags
    listed = nid in (has_private_memory() or ())
    counted = state.states & (NodeStates.MEMORY | NodeStates.MEMORY_PRIVATE)
    known = {
        (NodeStates.NONE, False, False, False): BARE,
        (NodeStates.NONE, True, True, False): REGISTERED,
        (NodeStates.MEMORY_PRIVATE, True, True, True): PRIVATE,
        (NodeStates.MEMORY, False, False, False): ORDINARY,
    }
    return known.get((counted, private, registered, listed)) or (
        f"contradictory: states {counted!r}, pgdat->private {private}, registered {registered}, "
        f"in has_private_memory {listed}"
    )


def snapshot(testmod: TestModule, nid: int) -> dict[str, object]:
    """All of a node that no refused call may change; MemFree is not in it."""
    state = testmod.node_state(nid)
    return {
        "standing": standing(testmod, nid),
        "states": state.states,
        "flags": state.flags,
        "ops": state.ops_flags,
        "managed": {zone.name: zone.managed for zone in state.zones},
        "lists": {which.name: testmod.zonelist(nid, which) for which in ZoneList},
        "has_memory": nid in node_list("has_memory"),
    }


def world(testmod: TestModule, nid: int) -> dict[str, object]:
    """What a call that failed may not have changed, of the node and of all else."""
    return {
        **snapshot(testmod, nid),
        "blocks": [block.index for block in memory_blocks()],
        "resources": Path("/proc/iomem").read_text(),
        "references": Path("/sys/module/pnode_test/refcnt").read_text(),
    }


def zones_with_memory(testmod: TestModule, nid: int) -> dict[str, int]:
    """Pages given to the allocator by zone name, zones without any left out."""
    return {zone.name: zone.managed for zone in testmod.node_state(nid).zones if zone.managed}
