# SPDX-License-Identifier: GPL-2.0-only
"""What the reference kernel is made of: recipe data, patches, fragment, compiler; and their hash."""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError
from tools.process import run

HERE = Path(__file__).resolve().parent
PATCHES = HERE / "patches"
HASH_DIGITS = 16


@dataclass(frozen=True)
class Recipe:
    """The parsed build.toml."""

    package: str
    make: Mapping[str, str]
    keep: tuple[str, ...]
    steps: int
    disk_gib: int


def load(localversion: str = "-pnode", path: Path = HERE / "build.toml") -> Recipe:
    """Read the recipe of a kernel with this end of its release.

    Raises OSError, tomllib.TOMLDecodeError or KeyError: a broken checkout.
    """
    data = tomllib.loads(path.read_text())
    return Recipe(
        package=data["source"]["package"],
        make=data["make"] | {"LOCALVERSION": localversion},
        keep=tuple(data["keep"]["paths"]),
        steps=data["estimate"]["steps"],
        disk_gib=data["estimate"]["disk_gib"],
    )


def patches(directory: Path = PATCHES) -> list[Path]:
    """Return the patches in the order of their numbers. Raises UserError on two of one number."""
    found = sorted(directory.glob("[0-9][0-9][0-9][0-9]-*.patch"))
    numbers = [path.name[:4] for path in found]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise UserError(f"{directory}: two patches of number {twice[0]}; their order would be chance")
    return found


def compiler() -> str:
    """Return what compiles and links, as it names itself; part of the cache key."""
    lines = [run([tool, "--version"], "asking the compiler's version") for tool in ("gcc", "ld")]
    return "; ".join(text.splitlines()[0] for text in lines)


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def patchset_hash(patch_files: Sequence[Path]) -> str:
    """Return the hash by which KCIDB names patches in an order: the sha256 of their sha256s, a line each."""
    lines = "".join(f"{digest(path)}\n" for path in patch_files)
    return hashlib.sha256(lines.encode()).hexdigest()


def kernel_hash(
    source: str, patch_files: Sequence[Path], options: Mapping[str, str], cc: str, recipe: Recipe
) -> str:
    """Return the name of a kernel in the cache.

    It follows what the image depends on: names and contents of the patches in their order, options
    without their comments, versions of source and compiler. Paths and times do not enter. Flavours differ in
    their options and in LOCALVERSION.
    """
    parts = {
        "source": source,
        "patches": [(path.name, digest(path)) for path in patch_files],
        "options": sorted(options.items()),
        "compiler": cc,
        "make": sorted(recipe.make.items()),
        "keep": sorted(recipe.keep),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:HASH_DIGITS]
