# SPDX-License-Identifier: GPL-2.0-only
"""Compiles ahead, so that a guest neither compiles nor compares times.

Under TCG compiling the standard library and rewriting the assertions of the suite would cost more than the
boot.
"""

from __future__ import annotations

import importlib.util
import io
import marshal
import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

# Time of all files in the archive; older pytest compares it with what its own bytecode files name.
ARCHIVE_TIME = 0

# PEP 552: bit 0 says that a hash follows in place of a time, bit 1 would make the importer check it.
_UNCHECKED_HASH = 0b01


def compiled(source: bytes, path: Path) -> bytes:
    """A .pyc for `source` that the importer takes without looking at the source.

    Raises SyntaxError or ValueError when this is no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a package's source is warned about is not our user's business
        code = compile(source, str(path), "exec", dont_inherit=True)
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + marshal.dumps(code)


def compiled_name(path: Path) -> Path:
    """Where the importer looks for a module's bytecode when the source is beside it."""
    return path.with_name("__pycache__") / f"{path.stem}.{sys.implementation.cache_tag}.pyc"


def rewritten(path: Path) -> tuple[Path, bytes] | None:
    """pytest's own bytecode, with rewritten assertions, for a test file, and the name it looks for.

    None when the installed pytest does that in an unknown way: then the guest rewrites by itself, which is
    slower and nothing else. Raises SyntaxError or ValueError when this is no Python.
    """
    try:
        from _pytest.assertion import rewrite

        # `stamp` is the source's hash (pytest 9.1 and later) or its os.stat_result.
        stamp, code = rewrite._rewrite_test(path, None)  # type: ignore[arg-type]
        if isinstance(stamp, os.stat_result):
            stamp = SimpleNamespace(st_mtime=ARCHIVE_TIME, st_size=stamp.st_size)
        data = io.BytesIO()
        rewrite._write_pyc_fp(data, stamp, code)
        return path.with_name("__pycache__") / (path.stem + rewrite.PYC_TAIL), data.getvalue()
    except (ImportError, AttributeError, TypeError):
        return None
