# SPDX-License-Identifier: GPL-2.0-only
"""Tests that run on machines that are lent (test_machines.py); not collected by themselves."""

import os
import signal
from pathlib import Path

import pytest


def test_loses_its_machine() -> None:
    """Its lease ends, and the connection with it, as when it is rebooted."""
    lease = Path(os.environ["PNODE_LAB"], "lease")
    os.kill(int(lease.read_text()), signal.SIGKILL)
    os._exit(4)


@pytest.mark.parametrize("number", range(30))
def test_runs(number: int) -> None:
    assert os.environ["PNODE_TOPOLOGY"] == "here"
    assert "SSH_CONNECTION" in os.environ


def test_ends_its_worker() -> None:
    os._exit(3)
