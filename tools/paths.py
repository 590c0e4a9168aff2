# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: the repository, and the cache of what takes long to make."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cache_dir(*parts: str) -> Path:
    """Return (and make) a directory of the cache: $XDG_CACHE_HOME or ~/.cache, then pnode-selftests.

    Raises OSError when it cannot be made (full disk, read-only home).
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(base, "pnode-selftests", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
