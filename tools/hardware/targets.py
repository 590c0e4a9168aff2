# SPDX-License-Identifier: GPL-2.0-only
"""What `pnode run --here` tests: spare dax devices that the fixtures plug, or a node that a driver has made.

Everything here only looks. What the machine uses is refused, in one line.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass

from fixtures.ranges import aligned
from helpers import cxl, dax, paths, syscalls
from helpers.constants import Mode
from helpers.dax import DaxDevice
from helpers.memory import Mapping
from helpers.nodes import Node, block_size, has_private_memory, node_list
from helpers.testmod.constants import Ops
from tools.errors import UserError
from tools.hardware import claims

#: Fields of nodeN/meminfo that somebody's memory is counted in.
_IN_USE = ("AnonPages", "FilePages", "Unevictable")


@dataclass(frozen=True)
class Target:
    """A spare dax device. start, size: its whole memory blocks, in bytes; blocks: state by index, of a device
    of kmem whose memory is offline."""

    device: DaxDevice
    start: int
    size: int
    driver: str | None
    blocks: dict[int, str]

    @property
    def nid(self) -> int:
        return self.device.target_node

    def __str__(self) -> str:
        return f"{self.device}, {self.size >> 20} MiB"


@dataclass(frozen=True)
class Provisioned:
    """A private node that a driver has made. flags: services known to be open; how: from what."""

    nid: int
    size: int
    flags: Ops
    how: str

    def __str__(self) -> str:
        services = " ".join(flag.name or "" for flag in self.flags) or "none"
        return f"node {self.nid}, {self.size >> 20} MiB; services open: {services} ({self.how})"


def spare(names: Sequence[str]) -> list[Target]:
    """The dax devices that --dax names. Raises UserError for one that is not there, or that is in use."""
    if private := list(has_private_memory() or ()):
        raise UserError(
            f"--dax {names[0]}: node {private[0]} is private already, and these tests count every private "
            "node as their own; unbind its driver first, or run without --dax to test that node"
        )
    found = [_target(name) for name in dict.fromkeys(names)]
    nodes = [one.nid for one in found]
    for one in found:
        if nodes.count(one.nid) > 1:
            raise UserError(
                f"--dax: {_listed([other.device for other in found if other.nid == one.nid])} are memory of "
                f"the same node {one.nid}; give one of them"
            )
    return found


def _target(name: str) -> Target:
    device = _device(name)
    _refuse_used(name, device)
    if device.target_node < 0:
        raise UserError(f"--dax {name}: the firmware tells no node for its memory")
    if device.target_node in node_list("has_memory"):
        raise UserError(
            f"--dax {name}: node {device.target_node} has ordinary memory; a private one needs its own"
        )
    start, size = aligned(device.start, device.size, block_size())
    if not size:
        raise UserError(
            f"--dax {name}: {device.size >> 20} MiB hold no whole memory block ({block_size() >> 20} MiB)"
        )
    blocks = {block.index: block.state for block in claims.blocks(device.start, device.size)}
    return Target(device, start, size, device.driver, blocks)


def _device(name: str) -> DaxDevice:
    if name.startswith("region"):
        region = next((one for one in cxl.regions() if one.name == name), None)
        if region is None:
            raise UserError(f"--dax {name}: no such CXL region; there are: {_listed(cxl.regions())}")
        device = region.dax()
        if device is None:
            raise UserError(
                f"--dax {name}: it has no dax device; commit it and bind it to the driver cxl_region"
            )
        return device
    try:
        device = dax.device(name)
    except (OSError, ValueError):
        raise UserError(f"--dax {name}: no such dax device; there are: {_listed(dax.devices())}") from None
    if not device.size:
        raise UserError(f"--dax {name}: it has no memory (a seed device)")
    return device


def _listed(things: Sequence[object]) -> str:
    return ", ".join(getattr(one, "name", str(one)) for one in things) or "none"


def _refuse_used(name: str, device: DaxDevice) -> None:
    """Raise UserError for memory that somebody uses, or that keeps its contents."""
    for namespace, use in claims.namespaces(device.start, device.size):
        if use:
            raise UserError(f"--dax {name}: {namespace} in its range is mounted ({use}); unmount it first")
        raise UserError(
            f"--dax {name}: {namespace} in its range is persistent memory, its contents would be lost"
        )
    if "/ndbus" in str(device.path.resolve()):
        raise UserError(f"--dax {name}: it is persistent memory, its contents would be lost")
    online = [block for block in claims.blocks(device.start, device.size) if block.state != "offline"]
    if online:
        span = f"memory{online[0].index}" + (f" to memory{online[-1].index}" if len(online) > 1 else "")
        raise UserError(
            f"--dax {name}: it is online system RAM ({span}, node {device.target_node}); offline it first: "
            f"daxctl reconfigure-device --mode=devdax --force {name}"
        )
    if used := claims.users(device.start, device.size):
        raise UserError(f"--dax {name}: its range is in use: {used[0]}")
    if holders := claims.processes(paths.DEV / device.name):
        raise UserError(f"--dax {name}: /dev/{device.name} is open: {', '.join(holders)}; end that first")


def provisioned(wanted: int | None, declared: Ops | None) -> Provisioned:
    """The private node to be tested as it is. `declared`: what a device profile says that its driver opens.

    Raises UserError when there is none, when there are several and none is named, when it is in use, or when
    it contradicts the profile.
    """
    there = list(has_private_memory() or ())
    if not there:
        raise UserError(
            "no private node on this machine (has_private_memory is empty); have its driver make one, or "
            f"give a spare dax device with --dax: {_listed(dax.devices())}"
        )
    if wanted is None and len(there) > 1:
        raise UserError(f"nodes {', '.join(map(str, there))} are private; choose one with --node")
    nid = there[0] if wanted is None else wanted
    if nid not in there:
        raise UserError(f"--node {nid}: not a private node; there are: {', '.join(map(str, there))}")
    node = Node(nid)
    counted = node.meminfo()
    for field in _IN_USE:
        if counted.get(field):
            raise UserError(
                f"node {nid} is in use ({field} {counted[field] >> 10} kB); end what has memory on it first"
            )
    open_for_policies = takes_policies(nid)
    if declared is not None:
        if bool(declared & Ops.MEMPOLICY) != open_for_policies:
            said, seen = ("open", "is EINVAL") if declared & Ops.MEMPOLICY else ("closed", "works")
            raise UserError(
                f"--profile says that MEMPOLICY is {said}, but mbind() on node {nid} {seen}; correct the "
                "profile, or the driver"
            )
        return Provisioned(nid, counted["MemTotal"], declared, "profile; MEMPOLICY tried by mbind")
    flags = Ops.MIGRATION | Ops.MEMPOLICY if open_for_policies else Ops.NONE
    return Provisioned(nid, counted["MemTotal"], flags, "tried by mbind; --profile declares others")


def takes_policies(nid: int) -> bool:
    """Whether mbind() may name the node (then MEMPOLICY is open, and MIGRATION, which it needs). Nothing is
    allocated. Raises OSError with another errno than the EINVAL of a closed node."""
    with Mapping.anonymous(1) as memory:
        try:
            syscalls.mbind(memory.addr, memory.nbytes, Mode.BIND, [nid])
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return True
