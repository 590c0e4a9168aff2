# SPDX-License-Identifier: GPL-2.0-only
"""What goes into a guest: contents.toml applied to this interpreter, its packages and the repository.

A content list is a plain mapping from the path in the guest, which is the path on the host, to the host's
file. Finding files is all that happens here; turning them into an archive is the layers' job.
"""

from __future__ import annotations

import fnmatch
import importlib.metadata
import os
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.guest import elf
from tools.guest.errors import GuestError

CONTENTS = Path(__file__).with_name("contents.toml")


def rules() -> dict[str, Any]:
    """The parsed contents.toml."""
    return tomllib.loads(CONTENTS.read_text())


def excluded(relative: str, patterns: list[str]) -> bool:
    """Whether a relative path, or a folder above it, matches one of the shell patterns."""
    parts = relative.split("/")
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return any(fnmatch.fnmatchcase(prefix, pattern) for prefix in prefixes for pattern in patterns)


def tree(root: Path, patterns: list[str]) -> list[Path]:
    """The files below `root` that no pattern (relative to root) excludes, sorted; no __pycache__."""
    found: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        inside = "" if relative == "." else relative + "/"
        subfolders[:] = [
            name for name in subfolders if name != "__pycache__" and not excluded(inside + name, patterns)
        ]
        found += [Path(folder, name) for name in files if not excluded(inside + name, patterns)]
    return sorted(found)


@dataclass(frozen=True)
class Runtime:
    """Files for an interpreter with its packages, by kind; all paths are the host's, and the guest's."""

    interpreter: Path
    config: Path | None  # pyvenv.cfg
    python: tuple[Path, ...]  # modules and data of the standard library and the packages
    metadata: tuple[Path, ...]  # of the distributions
    binaries: tuple[Path, ...]  # extension modules, and programs
    terminfo: tuple[Path, ...]

    def all(self) -> list[Path]:
        """Every file, sorted."""
        config = [self.config] if self.config else []
        return sorted(
            [*config, self.interpreter, *self.python, *self.metadata, *self.binaries, *self.terminfo]
        )


def runtime() -> Runtime:
    """The runtime of the interpreter that is running now.

    Raises GuestError when a required distribution is missing.
    """
    wanted = rules()
    library = tree(stdlib(), wanted["stdlib"]["exclude"])
    modules, metadata = _distributions(wanted["packages"])
    files = [*library, *modules]
    binaries = [path for path in files if path.name.endswith(".so") or ".so." in path.name]
    programs = [Path(path) for name in wanted["programs"]["optional"] if (path := shutil.which(name))]
    config = Path(sys.prefix, "pyvenv.cfg")
    return Runtime(
        interpreter=Path(sys.executable),
        config=config if config.exists() else None,
        python=tuple(sorted(set(files) - set(binaries))),
        metadata=tuple(metadata),
        binaries=(*binaries, *programs),
        terminfo=tuple(_terminfo(wanted["terminfo"]["names"])),
    )


def libraries(wanted: Runtime) -> list[Path]:
    """Shared libraries, the loader included, that a runtime needs. Raises GuestError when one is missing."""
    needed = elf.shared_libraries([str(path) for path in (wanted.interpreter, *wanted.binaries)])
    extra = elf.beside(needed, rules()["libraries"]["extra"])
    return [Path(path) for path in sorted({*needed, *extra})]


def suite(repository: Path) -> list[Path]:
    """The files of the suite in a repository. What does not exist there is left out."""
    wanted = rules()["suite"]
    found: list[Path] = []
    for name in wanted["paths"]:
        path = repository / name
        if path.is_dir():
            found += [
                file
                for file in tree(path, [])
                if not excluded(file.relative_to(repository).as_posix(), wanted["exclude"])
            ]
        elif path.exists():
            found.append(path)
    return sorted(found)


def stdlib() -> Path:
    """The folder of the interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def distribution_files(names: Sequence[str]) -> list[Path]:
    """Modules and metadata of further distributions. Raises GuestError when one is missing."""
    wanted = {"required": list(names), "optional": [], "exclude": rules()["packages"]["exclude"]}
    modules, metadata = _distributions(wanted)
    return [*modules, *metadata]


def _distributions(wanted: dict[str, list[str]]) -> tuple[list[Path], list[Path]]:
    modules: list[Path] = []
    metadata: list[Path] = []
    for name in [*wanted["required"], *wanted["optional"]]:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in wanted["optional"]:
                continue
            raise GuestError(
                f"Python package {name} is not in {sys.prefix}; run: {sys.executable} -m pip install {name}"
            ) from None
        for file in distribution.files or []:
            path = Path(str(file.locate()))
            if file.parent.name.endswith(".dist-info"):
                if file.name in ("METADATA", "entry_points.txt"):
                    metadata.append(path)
            elif not excluded(str(file), wanted["exclude"]) and path.exists():
                modules.append(path)
    return modules, sorted(metadata)


def _terminfo(names: list[str]) -> list[Path]:
    folders = [Path(folder) for folder in ("/lib/terminfo", "/usr/share/terminfo")]
    candidates = [[folder / name[0] / name for folder in folders] for name in names]
    return sorted(path for paths in candidates for path in [p for p in paths if p.exists()][:1])
