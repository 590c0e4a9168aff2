# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's source: found, unpacked into the cache once, and patched in a copy of hard links."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError
from tools.paths import cache_dir
from tools.process import failure, run
from tools.progress import Progress

FUZZ = 2  # lines of context that may differ; the default of patch(1), named because we rely on it


@dataclass(frozen=True)
class Tree:
    """An unpacked, unpatched source tree in the cache."""

    version: str  # of the Debian package, such as 6.12.117-1~deb12u1
    path: Path


def unpacked(package: str) -> Tree | None:
    """Return the tree of this package unpacked last, or None."""
    home = cache_dir("sources")
    trees = [path for path in home.iterdir() if path.name.startswith(f"{package}_")]
    if not trees:
        return None
    newest = max(trees, key=lambda path: path.stat().st_mtime)
    return Tree(newest.name.partition("_")[2], newest)


def obtain(package: str, progress: Progress, archive: Path | None = None) -> Tree:
    """Return an unpacked tree; unpack `archive`, an installed or a downloaded package when needed.

    Raises UserError when there is no package to be had, or no space.
    """
    if archive is None:
        tree = unpacked(package)
        if tree:
            return tree
    with Scratch(cache_dir("sources") / ".unpacking") as scratch:
        version, tarball = locate(package, scratch.path, progress, archive)
        final = cache_dir("sources") / f"{package}_{version}"
        if not final.is_dir():
            progress.stage(f"unpacking {package} {version}")
            tree_dir = scratch.path / "tree"
            tree_dir.mkdir()
            run(
                ["tar", "-xf", tarball, "--no-same-owner", "--strip-components=1", "-C", tree_dir],
                f"unpacking {tarball.name} into {final.parent}",
            )
            if not (tree_dir / "Kconfig").is_file():
                raise UserError(f"{archive or tarball}: not a kernel source (no Kconfig at its top)")
            tree_dir.rename(final)
        return Tree(version, final)


def locate(package: str, scratch: Path, progress: Progress, archive: Path | None = None) -> tuple[str, Path]:
    """Return the version and the tar archive: the given file, the installed package, or a download."""
    if archive is not None:
        return from_file(archive, package, scratch)
    installed = Path("/usr/src", f"{package}.tar.xz")
    if installed.is_file():
        status = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True
        )
        if status.returncode == 0 and status.stdout:
            return status.stdout, installed
    progress.stage(f"downloading {package}")
    return from_file(download(package, scratch), package, scratch)


def from_file(archive: Path, package: str, scratch: Path) -> tuple[str, Path]:
    """Return the version and the tar archive of a .deb, or of a tar archive named after its version."""
    if not archive.is_file():
        raise UserError(f"{archive}: no such file; give a {package} .deb or a kernel .tar.xz")
    if archive.suffix != ".deb":
        return re.sub(r"\.tar(\.\w+)?$", "", archive.name), archive
    version = run(["dpkg-deb", "-f", archive, "Version"], f"reading {archive}").strip()
    run(["dpkg-deb", "-x", archive, scratch], f"unpacking {archive.name} into {scratch}")
    tarball = scratch / "usr/src" / f"{package}.tar.xz"
    if not tarball.is_file():
        raise UserError(f"{archive}: holds no {package}.tar.xz; give Debian's {package} package")
    return version, tarball


def download(package: str, scratch: Path) -> Path:
    """Fetch the package with apt, which needs no root; refresh stale lists when we are root."""
    fetch = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package]
    try:
        run(fetch, f"downloading {package}", cwd=scratch)
    except UserError as error:
        if os.geteuid() != 0:
            raise UserError(f"{error}. Try: sudo apt-get update && sudo apt-get install {package}") from error
        run(["apt-get", "-q", "update"], "apt-get update")
        run(fetch, f"downloading {package}", cwd=scratch)
    debs = sorted(scratch.glob(f"{package}_*.deb"))
    if not debs:
        raise UserError(f"apt-get download {package} left no .deb in {scratch}")
    return debs[0]


def patched(tree: Tree, patch_files: Sequence[Path], target: Path) -> None:
    """Make `target` a patched copy of the tree.

    The copy is of hard links: 2 s and a few MB instead of 1.6 GB. patch(1) writes a new file and renames
    it, so the tree in the cache keeps its contents. Raises UserError naming patch, file and hunk.
    """
    run(["cp", "-al", tree.path, target], f"copying {tree.path.name} into {target.parent}")
    for patch in patch_files:
        apply_patch(patch, target, tree.version)


def apply_patch(patch: Path, target: Path, version: str) -> None:
    """Apply one patch, with little tolerance. Raises UserError when a hunk does not fit."""
    done = subprocess.run(
        [
            *("patch", "-p1", "--forward", "--batch", f"--fuzz={FUZZ}", "--no-backup-if-mismatch"),
            *("--reject-file=-", "-i", str(patch)),
        ],
        cwd=target,
        env=dict(os.environ, LC_ALL="C"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return
    place = misfit(done.stdout)
    if place:
        raise UserError(f"{patch.name} does not apply to {version}: {place}")
    raise UserError(failure(f"applying {patch.name}", done.stderr + done.stdout, done.returncode))


def misfit(output: str) -> str | None:
    """Return where a patch did not fit, from patch(1)'s messages: file, hunk, line."""
    file = "?"
    for line in output.splitlines():
        if match := re.match(r"(?:patching|checking) file (?P<file>.*)", line):
            file = match["file"]
        elif match := re.match(r"Hunk #(?P<hunk>\d+) FAILED at (?P<line>\d+)", line):
            return f"{file}, hunk {match['hunk']} (line {match['line']})"
        elif "can't find file to patch" in line:
            return "a file it changes is not in the tree"
        elif "previously applied" in line:
            return f"{file}: the change is in the source already"
    return None


class Scratch:
    """A directory that exists only inside the block; what an earlier crash left is removed first.

    One per purpose: the caller holds the cache's lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "Scratch":
        self._remove()
        self.path.mkdir(parents=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
