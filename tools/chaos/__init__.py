# SPDX-License-Identifier: GPL-2.0-only
"""Injects faults into runs, and compares what the runner says with what was done: `pnode chaos`."""
