# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line for a topology. Nothing is started here."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.guest import cxltree
from tools.guest.errors import GuestError
from tools.guest.topology import PORT_DOMAIN, OrdinaryNode, Topology

PROGRAM = "qemu-system-x86_64"

# Names of files in a boot's folder, which is QEMU's working directory: a socket's path may have 107 bytes
# only.
CONSOLE = "console.log"
WORKER_SOCKET = "worker.sock"
QMP_SOCKET = "qmp.sock"
HOST_SOCKET = "host.sock"
WATCH_SOCKET = "watch.sock"

PORT_NAME = "org.pnode.worker"
# Where a test asks for what only the host can do, see hostside.py.
HOST_PORT_NAME = "org.pnode.host"
# Where the guest says how it is, see inquest.py.
WATCH_PORT_NAME = "org.pnode.watch"

# RAM (type 1) becomes soft-reserved memory (type 0xefffffff in the kernel's own numbering).
_MEMMAP = "{size:#x}%{start:#x}-1+0xefffffff"

# The volatile type-3 device came with 8.1.
CXL_VERSION = (8, 1)

BOOT_ARGUMENTS = (
    "console=ttyS0",
    "panic=-1",  # with -no-reboot, a panic ends the guest at once
    "oops=panic",  # an oops is the end of trust, too
    "unknown_nmi_panic",  # an injected NMI shows where a hung guest is
    "panic_print=0x42",  # with a panic: memory by node and zone, and what each CPU was doing
    "sysrq_always_enabled=1",
    "printk.devkmsg=on",  # no rate limit on what tests and init log
    "log_buf_len=1M",  # splats are looked for after a test, they must still be there
    "memhp_default_state=offline",  # nobody but the test decides what goes online
    "tsc=reliable",  # the host's time on each vCPU; a busy host makes it look skewed, and acpi_pm is slow
    "no_timer_check",  # counts ticks against loops: a busy host under TCG fails it, and the kernel panics
    "mitigations=off",  # no part of what is certified, and costs time under TCG
    # The guest's files stay where they are: not swapped out, nor taken along with a task's memory. Code that
    # has moved is translated anew under TCG, for every process that has it.
    "rootfstype=ramfs",
    "rdinit=/init",
)

# Of nodes that nobody says anything about (include/linux/topology.h).
REMOTE = 20

# Without the promise that `rep movsb` is fast the kernel clears and copies by words: TCG does a turn of the
# loop for each byte, which was a tenth of the suite's time.
_CPU = {"tcg": "max,-erms,-fsrm", "kvm": "host"}
_ACCEL = {"tcg": "tcg,thread=multi", "kvm": "kvm"}


@functools.cache
def version(program: str = PROGRAM) -> tuple[int, int, int]:
    """QEMU's version. Raises GuestError when it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise GuestError(
            f"{program} not found; install: apt-get install -t bookworm-backports qemu-system-x86"
        )
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", done.stdout)
    if not match:
        raise GuestError(
            f"{path} --version says nothing usable: {(done.stdout or done.stderr).strip()[:100]!r}"
        )
    return int(match[1]), int(match[2]), int(match[3])


def check_version(topology: Topology) -> None:
    """Raise GuestError when the installed QEMU cannot provide this topology."""
    found = version()
    if topology.tree and found[:2] < CXL_VERSION:
        raise GuestError(
            f"QEMU {found[0]}.{found[1]} has no volatile CXL device; "
            f"topology {topology.name} needs 8.1 or newer. "
            "Install: apt-get install -t bookworm-backports qemu-system-x86"
        )


def machine(topology: Topology, accel: str) -> list[str]:
    """Machine, CPUs and memory."""
    options = [f"q35,max-ram-below-4g={topology.low_memory}", "smm=off", "vmport=off", "hpet=off"]
    if topology.tree:
        options.append("cxl=on")
    if topology.performance:
        options.append("hmat=on")
    argv = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    argv += ["-machine", ",".join(options)]
    argv += ["-accel", _ACCEL[accel], "-cpu", _CPU[accel]]
    argv += ["-smp", f"{topology.vcpus},sockets={topology.sockets}"]
    argv += ["-m", f"{topology.ram >> 20}M"]
    for node in topology.dram_by_id():
        domain = topology.domain(node.id)
        argv += ["-object", f"memory-backend-ram,id=m{node.id},size={node.size}"]
        cpus = f",cpus={node.cpus}" if isinstance(node, OrdinaryNode) and node.cpus else ""
        initiator = ",initiator=0" if topology.performance else ""
        argv += ["-numa", f"node,nodeid={domain},memdev=m{node.id}{cpus}{initiator}"]
        if topology.port is not None and domain == PORT_DOMAIN - 1:
            argv += ["-numa", f"node,nodeid={PORT_DOMAIN}"]
    for one, other, distance in topology.distances:
        argv += [
            "-numa",
            f"dist,src={topology.domain(one)},dst={topology.domain(other)},val={distance}",
        ]
    if topology.port is not None:  # QEMU wants all pairs; the kernel looks at none with a port
        others = [topology.domain(node.id) for node in topology.dram_by_id()]
        argv += [
            word for one in others for word in ("-numa", f"dist,src={one},dst={PORT_DOMAIN},val={REMOTE}")
        ]
    return argv


def performance(topology: Topology) -> list[str]:
    """The HMAT: how far and how fast memory and the generic port are, seen from node 0's CPUs."""
    argv: list[str] = []
    for one in topology.performance:
        domain = PORT_DOMAIN if one.node is None else topology.domain(one.node)
        way = f"hmat-lb,initiator=0,target={domain},hierarchy=memory"
        argv += ["-numa", f"{way},data-type=access-latency,latency={one.latency}"]
        argv += ["-numa", f"{way},data-type=access-bandwidth,bandwidth={one.bandwidth}M"]
    if topology.port is not None:
        argv += ["-object", f"acpi-generic-port,id=gp0,pci-bus={topology.port.bridge},node={PORT_DOMAIN}"]
    return argv


def kernel_command_line(topology: Topology, extra: Sequence[str] = ()) -> str:
    """The boot arguments: ours, the memory taken away from the kernel, the topology's and the caller's."""
    ranges = [
        _MEMMAP.format(size=memory.size, start=memory.start)
        for memory in topology.private
        if memory.source == "dram"
    ]
    taken = [f"memmap={','.join(ranges)}"] if ranges else []
    cpus = [f"maxcpus={topology.online}"] if topology.online < topology.vcpus else []
    return " ".join([*BOOT_ARGUMENTS, *taken, *cpus, *topology.boot, *extra])


def command(
    topology: Topology,
    accel: str,
    kernel: Path,
    initrd: Path,
    *,
    extra_boot: Sequence[str] = (),
    console: bool = False,
) -> list[str]:
    """The whole command line. `console`: serial console and monitor on the terminal (Ctrl-A x leaves), no
    worker port.
    """
    argv = [PROGRAM, *machine(topology, accel)]
    if topology.tree:
        argv += cxltree.qemu(topology.tree)
    argv += performance(topology)
    argv += ["-kernel", str(kernel), "-initrd", str(initrd)]
    argv += ["-append", kernel_command_line(topology, extra_boot)]
    if console:
        return [*argv, "-serial", "mon:stdio"]
    return [
        *argv,
        # A guest that does not boot (warm.py) goes on with the console of the one that did.
        *("-chardev", f"file,id=console,path={CONSOLE},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{QMP_SOCKET},server=on,wait=off"),
        *("-device", "virtio-serial-pci,bus=pcie.0"),  # else it may land on the CXL bus
        *("-chardev", f"socket,id=worker,path={WORKER_SOCKET},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=worker,name={PORT_NAME}"),
        *("-chardev", f"socket,id=host,path={HOST_SOCKET},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=host,name={HOST_PORT_NAME}"),
        *("-chardev", f"socket,id=watch,path={WATCH_SOCKET},server=on,wait=off"),
        *("-device", f"virtserialport,chardev=watch,name={WATCH_PORT_NAME}"),
    ]
