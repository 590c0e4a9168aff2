# SPDX-License-Identifier: GPL-2.0-only
"""The kernel side of the suite: module pnode_test.ko and its client.

`pnode_test.h` is the ABI; `abi.py` parses it with cffi, `constants.py` and `results.py` have its constants
and results as Python types, `client.py` the calls, put together of a file for each group of
them. The module's own sources are beside them (`make -C KDIR M=... modules`).
"""

from helpers.testmod.client import Allocation, TestModule, UnplugError
from helpers.testmod.constants import (
    NP_OPS_MASK,
    Callback,
    Callbacks,
    Context,
    Entry,
    Feature,
    Flush,
    FreeHow,
    HotplugAction,
    Kind,
    Level,
    Migrated,
    Mode,
    NodeFlags,
    NodeStates,
    Notify,
    Object,
    OnlineType,
    Ops,
    Owner,
    PageFlags,
    Policy,
    PteFlags,
    ZoneList,
)

__all__ = [
    "NP_OPS_MASK",
    "Allocation",
    "Callback",
    "Callbacks",
    "Context",
    "Entry",
    "Feature",
    "Flush",
    "FreeHow",
    "HotplugAction",
    "Kind",
    "Level",
    "Migrated",
    "Mode",
    "NodeFlags",
    "NodeStates",
    "Notify",
    "Object",
    "OnlineType",
    "Ops",
    "Owner",
    "PageFlags",
    "Policy",
    "PteFlags",
    "TestModule",
    "UnplugError",
    "ZoneList",
]
