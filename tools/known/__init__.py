# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions from the rule, in TOML that a maintainer edits: known issues, which may fail, and splats that
are allowed in an environment. Each carries a reason, a link and a day on which it ends. README.md has the
format.
"""

from tools.known.entry import Entry, Match
from tools.known.files import gather

__all__ = ["Entry", "Match", "gather"]
