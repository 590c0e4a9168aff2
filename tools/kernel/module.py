# SPDX-License-Identifier: GPL-2.0-only
"""Builds the test module against any kernel with the series' API; cached by kernel and sources."""

import hashlib
import os
import shutil
from pathlib import Path

from tools.errors import UserError
from tools.kernel import recipe, source, tree
from tools.kernel.errors import BuildError
from tools.kernel.make import make
from tools.paths import ROOT, cache_dir

SOURCES = ROOT / "helpers" / "testmod"
MODULE = "pnode_test.ko"
SUFFIXES = {".c", ".h", ".S"}
NAMES = {"Kbuild", "Makefile"}


def sources(directory: Path = SOURCES) -> list[Path]:
    """Return the files the module is made of. Raises UserError when there are none."""
    found = sorted(
        path
        for path in directory.rglob("*")
        if path.is_file()
        and not path.name.endswith(".mod.c")
        and (path.suffix in SUFFIXES or path.name in NAMES)
    )
    if not any(path.name == "Kbuild" for path in found):
        raise UserError(f"{directory}: no Kbuild file; the sources of the test module are not there")
    return found


def sources_hash(files: list[Path], directory: Path = SOURCES) -> str:
    """Return a hash of names and contents."""
    lines = [f"{path.relative_to(directory)} {recipe.digest(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def build(build_dir: Path, directory: Path = SOURCES, name: str = MODULE) -> Path:
    """Return the module `name` for the kernel built in `build_dir`, built when the cache has none.

    Raises UserError when the directory cannot be built against, lacks the series' API, or the compiler
    finds an error: its first line and the path of the log.
    """
    build_dir = build_dir.resolve()
    tree.require_build_dir(build_dir)
    tree.require_api(build_dir)
    files = sources(directory)
    parts = [tree.identity(build_dir), sources_hash(files, directory), recipe.compiler()]
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()[: recipe.HASH_DIGITS]
    final = cache_dir("modules") / key / name
    if final.is_file():
        return final
    log = cache_dir("logs") / f"module-{key}.log"
    log.write_text(f"# {name} for {build_dir}\n")
    with source.Scratch(cache_dir("modules") / f".building-{os.getpid()}") as scratch:
        copy = scratch.path / "testmod"
        for path in files:
            target = copy / path.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        make(
            ["-C", build_dir, f"M={copy}", f"-j{len(os.sched_getaffinity(0))}", "modules"],
            what=f"building the test module for {tree.release(build_dir)}",
            cwd=copy,
            log=log,
        )
        module = copy / name
        if not module.is_file():
            raise BuildError(f"building the test module left no {name} (log: {log})")
        final.parent.mkdir(parents=True, exist_ok=True)
        module.rename(final)
    return final
