# SPDX-License-Identifier: GPL-2.0-only
"""The tests that misbehave. PNODE_CHAOS has the plan, JSON: for each test a fault and its phase."""

import json
import os
from collections.abc import Callable, Iterator

import pytest

from tools.chaos.inside.misbehave import by_name

PLAN = json.loads(os.environ.get("PNODE_CHAOS", "[]"))
CASES = [pytest.param(name, phase, id=f"{number:03}-{name}") for number, (name, phase) in enumerate(PLAN)]

pytestmark = pytest.mark.invariants


@pytest.fixture
def around(name: str, phase: str) -> Iterator[None]:
    if phase == "setup":
        by_name(name)()
    yield
    if phase == "teardown":
        by_name(name)()


@pytest.mark.parametrize(("name", "phase"), CASES)
def test_chaos(around: None, name: str, phase: str, record_property: Callable[[str, object], None]) -> None:
    if phase == "call":
        by_name(name)()
    if name == "full-disk":
        # More than the rest of a page, which the record still has when the disk is full.
        record_property("filling", "x" * 8192)
