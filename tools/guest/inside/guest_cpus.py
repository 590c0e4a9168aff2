# SPDX-License-Identifier: GPL-2.0-only
"""Brings the guest's other CPUs online for tests marked every_cpu, and takes them offline for all others.
PYTEST_DONT_REWRITE

Two guests of two vCPUs on two cores wait for each other's locks and interrupts: a vCPU that is asked for an
answer may be one that the host does not run. With one CPU online each, the same tests take two thirds of the
time, and most need no other.

Only where the kernel was told to start with less than there are (maxcpus=, from `online` of a topology): a
guest of its own, nobody's machine.
"""

import os
import re
from pathlib import Path

import pytest

MARKER = "every_cpu"
CPUS = Path("/sys/devices/system/cpu")
CMDLINE = Path("/proc/cmdline")
_MOST = re.compile(r"(?<!\S)maxcpus=(\d+)")


class Cpus:
    """The CPUs that are online only for some tests; those from boot on stay."""

    def __init__(self, most: int) -> None:
        self.switched = [cpu for cpu in listed("present") if cpu >= most]
        self.online = False

    def want(self, online: bool) -> None:
        """Bring them all online, or take them offline. Raises OSError where the kernel refuses."""
        if online == self.online:
            return
        for cpu in self.switched:
            (CPUS / f"cpu{cpu}" / "online").write_text(str(int(online)))
        # Who has bound himself to each CPU in turn, and went back to those there were, is bound to these.
        os.sched_setaffinity(0, listed("online"))
        self.online = online

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.want(item.get_closest_marker(MARKER) is not None)


def listed(name: str) -> list[int]:
    """The CPUs that are "present", or "online". The format is that of node lists."""
    from helpers.nodemask import NodeMask

    return list(NodeMask.parse((CPUS / name).read_text()))


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Only where some CPUs have not been started."""
    told = _MOST.findall(CMDLINE.read_text())
    if told:
        cpus = Cpus(int(told[-1]))
        if cpus.switched:
            session.config.pluginmanager.register(cpus)
