# SPDX-License-Identifier: GPL-2.0-only
"""Client of /dev/pnode_test: one thin method per ioctl, a file for each group of them.

Every method raises OSError with the errno of the ioctl; where pnode_test.h calls a request "raw", that is
the errno of the kernel function under test. An allocation that the kernel refuses is not an error but an
empty `Allocation`. All that a `TestModule` holds belongs to its descriptor: closing it, or the death of the
process, frees, unpins and unplugs what can be unplugged.
"""

from helpers.testmod.allocation import Allocation, AllocationCalls
from helpers.testmod.kernel_state import KernelStateCalls
from helpers.testmod.owner import OwnerCalls, UnplugError
from helpers.testmod.told import ToldCalls
from helpers.testmod.user_memory import UserMemoryCalls

__all__ = ["Allocation", "TestModule", "UnplugError"]


class TestModule(OwnerCalls, AllocationCalls, KernelStateCalls, ToldCalls, UserMemoryCalls):
    """An open descriptor of /dev/pnode_test; `gfp` has the kernel's gfp values, `handshake` the rest."""

    __test__ = False  # not a test class, whatever pytest thinks of the name
