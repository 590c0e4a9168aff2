# SPDX-License-Identifier: GPL-2.0-only
"""What numactl(8) asks of the kernel, call by call, without the program.

Source: numactl(8), numa(3) and the calls that strace shows of them. numactl sets the policy and executes; so
each function here is for a child.
"""

import os
from dataclasses import dataclass

from helpers import syscalls
from helpers.cgroup import mems_allowed
from helpers.constants import Mode
from helpers.nodemask import NodeMask
from helpers.nodes import Node, node_list

__all__ = ["OPTIONS", "Hardware", "apply", "every_node", "hardware", "show"]

#: Options with a node list, and the mode they set.
OPTIONS = {
    "--interleave": Mode.INTERLEAVE,
    "--weighted-interleave": Mode.WEIGHTED_INTERLEAVE,
    "--membind": Mode.BIND,
    "--preferred": Mode.PREFERRED,
    "--preferred-many": Mode.PREFERRED_MANY,
    "--localalloc": Mode.LOCAL,
}


def every_node() -> NodeMask:
    """`all` as the series means it: the nodes of has_memory that the task may use.

    libnuma does not read has_memory: it takes Mems_allowed of the task and the MemTotal in each node's
    meminfo. A closed node is in both (DSC-05, DSC-07), so `--interleave=all` of that program names it, and
    that is EINVAL (MPL-06). This model certifies that the calls work with the mask that the series promises,
    not that a numactl(8) of today finds it.
    """
    return node_list("has_memory") & mems_allowed()


def apply(option: str, nodes: NodeMask) -> None:
    """Set the policy that the option stands for."""
    syscalls.set_mempolicy(OPTIONS[option], nodes)


@dataclass(frozen=True)
class Hardware:
    """A node's line of `numactl --hardware`; sizes in bytes."""

    size: int
    free: int
    cpus: list[int]
    distances: dict[int, int]


def hardware() -> dict[int, Hardware]:
    """Every node that sysfs shows."""
    return {
        nid: Hardware(
            size=Node(nid).meminfo()["MemTotal"],
            free=Node(nid).meminfo()["MemFree"],
            cpus=Node(nid).cpus(),
            distances=Node(nid).distances(),
        )
        for nid in node_list("online")
    }


def show() -> dict[str, object]:
    """`numactl --show`: policy, its nodes, preferred node, CPUs and memory of the task."""
    mode, nodes = syscalls.get_mempolicy()
    return {
        "policy": Mode(mode).name,
        "nodes": nodes,
        "physcpubind": sorted(os.sched_getaffinity(0)),
        "membind": mems_allowed(),
    }
