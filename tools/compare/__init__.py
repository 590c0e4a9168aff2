# SPDX-License-Identifier: GPL-2.0-only
"""Two runs against each other: what changed, and whether it got worse. Reads records, runs nothing."""
