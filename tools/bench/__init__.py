# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a run goes, told from its record. See README.md."""
