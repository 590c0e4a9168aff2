# SPDX-License-Identifier: GPL-2.0-only
"""Tests that boot a real guest (`vm`) run only when asked for:

PNODE_VM_KERNEL=<bzImage> pytest -m vm tools/guest
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.guest.slot import Launch, Slot

FAKE = Path(__file__).with_name("fake_qemu.py")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "vm: boots a guest; selected by -m vm only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "vm" in config.option.markexpr:
        return
    chosen = [item for item in items if item.get_closest_marker("vm") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def fake_launch() -> Callable[..., Launch]:
    """A Launch whose QEMU is fake_qemu.py with the given behaviour."""

    def make(*behaviour: str, deadline: float = 20.0, first_output: float = 10.0) -> Launch:
        return Launch(
            topology="fast",
            accel="tcg",
            argv=[sys.executable, str(FAKE), *behaviour],
            env={"PNODE_TOPOLOGY": "fast"},
            hello="pnode-worker 1",
            deadline=deadline,
            first_output=first_output,
        )

    return make


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    """Slot 0 of an empty run."""
    return Slot(tmp_path, 0)
