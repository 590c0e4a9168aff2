# SPDX-License-Identifier: GPL-2.0-only
"""HPL-18: who may call the functions of the series."""

import pytest

from fixtures.requirement import requirement
from fixtures.selection import core
from helpers.testmod import TestModule

FUNCTIONS = (
    "node_private_register",
    "node_private_unregister",
    "node_private_set_ops",
    "node_private_clear_ops",
    "add_private_memory_driver_managed",
    "offline_and_remove_private_memory",
)
#: Exported to everybody since ever: the module loader does not name them to those who ask for GPL symbols.
FOR_ALL = ("kfree", "memcpy")


@requirement("HPL-18")
@core
@pytest.mark.parametrize("function", FUNCTIONS)
def test_for_gpl_modules_only(testmod: TestModule, function: str) -> None:
    assert testmod.gpl_only(function), f"{function}() is not exported, or to modules of any license"
    for other in FOR_ALL:
        assert not testmod.gpl_only(other), f"the control: {other}() is said to be for GPL modules only"
    assert not testmod.gpl_only("node_private_no_such_function")
