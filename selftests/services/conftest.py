# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the chapter."""

import pytest

from fixtures.nodes import OpenNode, PrivateNode
from selftests.services.protected import PROTECTED


@pytest.fixture
def guarded(open_node: OpenNode) -> PrivateNode:
    """P, open for migration, whose owner wants to see each write."""
    return open_node(PROTECTED)


@pytest.fixture(params=["base", "huge", "shmem"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test that names it runs for base pages, huge pages and shared memory."""
    return str(request.param)
