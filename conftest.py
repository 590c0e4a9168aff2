# SPDX-License-Identifier: GPL-2.0-only
"""Wiring only: which fixture modules exist. What they do is written in each of them."""

# A module comes after those it imports, so that pytest can rewrite the assertions of all.
pytest_plugins = [
    "fixtures.requirement",
    "fixtures.selection",
    "fixtures.pace",
    "fixtures.deadline",
    "fixtures.repeat",
    "fixtures.again",
    "fixtures.remaining",
    "fixtures.testmod",
    "fixtures.home",
    "fixtures.nodes",
    "fixtures.provisioned",
    "fixtures.knobs",
    "fixtures.cgroups",
    "fixtures.memory",
    "fixtures.property",
    "fixtures.stress",
    "fixtures.process",
    "fixtures.pressure",
    "fixtures.tiers",
    "fixtures.observing",
    "fixtures.invariants",
    "fixtures.kernel_log",
    "fixtures.kmemleak",
    "fixtures.failure",
    "fixtures.whole",
    "fixtures.armed",
    "fixtures.races",
    "fixtures.faults",
]
