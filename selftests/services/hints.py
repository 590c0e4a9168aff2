# SPDX-License-Identifier: GPL-2.0-only
"""NUMA hints within a test's time."""

from pathlib import Path

import pytest

from fixtures.knobs import KnobSetter

_BALANCING = Path("/sys/kernel/debug/sched/numa_balancing")


def scan_often(knob: KnobSetter) -> None:
    """Once NUMA balancing is on, it sets hints soon and often. The test is skipped on a kernel without
    CONFIG_NUMA_BALANCING, or without these knobs (CONFIG_SCHED_DEBUG up to 6.14)."""
    if not _BALANCING.exists():
        pytest.skip("needs debugfs sched/numa_balancing")
    knob(f"{_BALANCING}/scan_delay_ms", 50)
    knob(f"{_BALANCING}/scan_period_min_ms", 100)
