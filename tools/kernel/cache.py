# SPDX-License-Identifier: GPL-2.0-only
"""Built kernels on disk: found by hash, listed, removed. Nothing incomplete ever has its final name."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tools.errors import UserError
from tools.kernel.flavour import DEFAULT
from tools.paths import cache_dir
from tools.progress import Progress

META = "meta.json"


@dataclass(frozen=True)
class Meta:
    """What is known about a built kernel; meta.json beside it."""

    hash: str
    release: str  # uname -r
    source: str  # version of the Debian package
    compiler: str
    patches: list[str]
    config_sha256: str
    image_sha256: str
    built: str  # UTC, ISO 8601
    seconds: float  # wall time of the build
    steps: int  # lines that make printed, for the next progress bar
    flavour: str = DEFAULT


@dataclass(frozen=True)
class BuiltKernel:
    """A kernel that can be booted, and the directory to build modules against."""

    image: Path
    build_dir: Path
    release: str
    hash: str
    meta: Meta


def home() -> Path:
    """Return the directory of the built kernels."""
    return cache_dir("kernels")


def layout(directory: Path, meta: Meta) -> BuiltKernel:
    """Return a kernel from where it lies: bzImage, linux (patched source), linux/build (output)."""
    return BuiltKernel(directory / "bzImage", directory / "linux" / "build", meta.release, meta.hash, meta)


def read(directory: Path) -> BuiltKernel | None:
    """Return the kernel in a directory, None when it is not a whole one."""
    try:
        meta = Meta(**json.loads((directory / META).read_text()))
    except (OSError, ValueError, TypeError):
        return None  # also of an older layout: not ours to use
    kernel = layout(directory, meta)
    return kernel if kernel.image.is_file() and kernel.build_dir.is_dir() else None


def write_meta(directory: Path, meta: Meta) -> None:
    """Write meta.json, the last file of a kernel."""
    (directory / META).write_text(json.dumps(asdict(meta), indent=2) + "\n")


def find(name: str) -> BuiltKernel | None:
    """Return the kernel of this hash, None when it has not been built."""
    return read(home() / name)


def kernels() -> list[BuiltKernel]:
    """Return all built kernels, the one built last first."""
    found = [kernel for path in home().iterdir() if path.is_dir() and (kernel := read(path))]
    return sorted(found, key=lambda kernel: kernel.meta.built, reverse=True)


def hold(kernel: BuiltKernel) -> bool:
    """Keep a kernel in the cache until this process ends: its guests boot it at any time. False when it is
    being removed, or has been."""
    try:
        held = os.open(kernel.image.parent / META, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)  # the descriptor stays open: gone with the process
    except BlockingIOError:
        os.close(held)
        return False
    except OSError:  # a file system without locks: then nobody looks
        pass
    return True


def remove(name: str) -> Path:
    """Remove the kernel whose hash begins with `name`. Raises UserError when it is not exactly one, or in
    use."""
    matches = [path for path in home().iterdir() if path.is_dir() and path.name.startswith(name)]
    if name.startswith(".") or not name or not matches:
        raise UserError(f"no kernel {name!r} in {home()}; see pnode kernel list")
    if len(matches) > 1:
        raise UserError(f"{name!r} is the beginning of {len(matches)} kernels; give more of the hash")
    doomed = home() / f".removing-{matches[0].name}"
    with _unused(matches[0]):
        matches[0].rename(doomed)  # at once: an interrupted removal leaves no half kernel
        shutil.rmtree(doomed)
    return matches[0]


@contextmanager
def _unused(directory: Path) -> Iterator[None]:
    """Nobody holds the kernel, nor can from now on. Raises UserError."""
    with ExitStack() as stack:
        with suppress(FileNotFoundError):  # not a whole one: nobody can use it
            meta = stack.enter_context(open(directory / META))
            try:
                fcntl.flock(meta, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"kernel {directory.name} is in use by another pnode; wait for its end"
                ) from None
            except OSError:  # as in hold()
                pass
        yield


@contextmanager
def locked(progress: Progress) -> Iterator[None]:
    """Hold the lock of the cache: one build at a time, the machine has no cores for two."""
    lock = FileLock(str(cache_dir() / "lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.stage("another pnode is building; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def clean_leftovers() -> None:
    """Remove what interrupted builds and removals left. The caller holds the lock."""
    for path in home().iterdir():
        if path.name.startswith((".building-", ".removing-")):
            shutil.rmtree(path, ignore_errors=True)
