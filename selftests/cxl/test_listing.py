# SPDX-License-Identifier: GPL-2.0-only
"""CXL-01 and CXL-02: what the suite reads of devices, windows and regions is what `cxl list` reads there."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl
from selftests.cxl.region import of_node

pytestmark = topology("cxl", "cxl-region")
#: Seconds; an emulated machine takes one.
PATIENCE = 30


def listed(*what: str) -> list[dict[str, Any]]:
    """Objects of `cxl list`, devices that are off included."""
    program = shutil.which("cxl")
    if program is None:
        pytest.skip("needs the program cxl (package ndctl)")
    done = subprocess.run(
        [program, "list", "-i", *what], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@requirement("CXL-01")
def test_devices(closed_node: PrivateNode) -> None:
    found = {
        one["memdev"]: (one["serial"], one.get("ram_size", 0), one.get("pmem_size", 0), one["host"])
        for one in listed("-M")
    }
    assert found == {
        one.name: (one.serial, one.ram_size, one.pmem_size, one.pci_address) for one in cxl.memdevs()
    }


@requirement("CXL-01")
def test_windows(closed_node: PrivateNode) -> None:
    found = {
        one["decoder"]: (one["resource"], one["size"], one.get("interleave_ways", 1), one["volatile_capable"])
        for one in listed("-D", "-d", "root")
    }
    assert found == {
        one.name: (one.start, one.size, one.interleave_ways, one.cap_ram) for one in cxl.root_decoders()
    }


@requirement("CXL-02")
def test_region(closed_node: PrivateNode) -> None:
    region = of_node(closed_node.nid)
    (found,) = (one for one in listed("-R") if one["region"] == region.name)
    assert (found["resource"], found["size"]) == (region.resource, region.size)
    assert (found["interleave_ways"], found["interleave_granularity"]) == (
        region.interleave_ways,
        region.interleave_granularity,
    )
    # Before version 77 it does not say the type.
    assert (found.get("type", "ram"), found["decode_state"]) == ("ram", "commit")


@requirement("CXL-02")
def test_region_is_made_of_the_same_decoders(closed_node: PrivateNode) -> None:
    region = of_node(closed_node.nid)
    (found,) = (one for one in listed("-R", "-T") if one["region"] == region.name)
    order = sorted(found["mappings"], key=lambda one: int(one["position"]))
    assert [(one["memdev"], one["decoder"]) for one in order] == [
        (target.memdev.name, target.name) for target in region.targets
    ]
