# SPDX-License-Identifier: GPL-2.0-only
"""P without any ops, beside P without one flag: with memory that came while it was open."""

import pytest

from fixtures.nodes import PrivateNode
from fixtures.requirement import requirement

#: For parametrize(): as "without", but closed once the memory is there (close_if).
CLOSED = pytest.param("closed", marks=requirement("NOP-07"))


def close_if(node: PrivateNode, state: str) -> None:
    """Close the node where the parameter says "closed"."""
    if state == "closed":
        node.clear_ops()
