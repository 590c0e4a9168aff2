# SPDX-License-Identifier: GPL-2.0-only
"""System calls that Python has no binding for; one place to have them all, with their constants.

Every failure is OSError with the kernel's errno.

Nothing is checked here: addresses, lengths, modes, masks and flags are passed on as they are
(negative numbers as two's complement), so that a table of errors can pass rubbish. Where a
mask is taken it may be a NodeMask, any iterable of node ids, None for a NULL pointer, or an int
used as the address itself.
"""

# Everything in here comes from elsewhere.
# ruff: noqa: F403
from helpers.constants import *
from helpers.mapcalls import *
from helpers.nodemask import NodeMask as NodeMask
from helpers.policycalls import *
from helpers.rawcall import *
from helpers.systemcalls import *
