# SPDX-License-Identifier: GPL-2.0-only
"""C programs for the guest, made on the host, which has a compiler for the test module anyway."""

from collections.abc import Sequence
from pathlib import Path

from tools.doctor import packages
from tools.process import run

HERE = Path(__file__).parent


def shared(source: Path, folder: Path) -> Path:
    """Compile a shared object; the guest has the host's C library. Raises UserError."""
    return _compile(["-shared", "-fPIC"], [source], folder / f"{source.stem}.so")


def static(name: str, sources: Sequence[Path], folder: Path, options: Sequence[str] = ()) -> Path:
    """Link a program that needs nothing else, not even a C library. Raises UserError."""
    return _compile(["-static", *options], sources, folder / name)


def _compile(options: Sequence[str], sources: Sequence[Path], output: Path) -> Path:
    packages.require(["compiler"])
    run(
        ["gcc", "-O2", *options, "-o", output, *sources],
        f"compiling {sources[0].name}",
    )
    return output
