# SPDX-License-Identifier: GPL-2.0-only
"""Builds and caches initramfs images by the content of what is in them.

Both layers are plain cpio: measured under TCG, unpacking gzip in the guest takes longer than copying what
it saves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.guest import contents, layers
from tools.guest.cpio import Archive
from tools.guest.errors import GuestError
from tools.paths import cache_dir

# Images kept in the cache, newest first; older ones go, once no run can be using them any more.
KEEP = 6
_IN_USE_SECONDS = 24 * 3600

# The code that decides on bytes; a change in it makes old images stale.
_OWN_CODE = ("contents.toml", "contents.py", "layers.py", "cpio.py", "elf.py", "bytecode.py", "initramfs.py")


@dataclass(frozen=True)
class Image:
    """An initramfs on the host: its file, the bytes of both layers, and whether they came from the cache."""

    path: Path
    runtime_bytes: int
    suite_bytes: int
    cached: bool


@dataclass(frozen=True)
class Request:
    """What is to be in an image besides the runtime.

    `extra` maps guest paths to host files (the test module, for instance), `entries` guest paths to contents;
    `modules` are further Python modules and files, at their own paths.
    """

    repository: Path
    extra: Mapping[str, Path] = field(default_factory=dict)
    entries: Mapping[str, bytes] = field(default_factory=dict)
    modules: tuple[Path, ...] = ()


def build(request: Request) -> Image:
    """The image for a request, from the cache where it can be.

    Raises GuestError when something that has to go in is missing, or when the cache cannot be written.
    """
    if len(sys.executable) > layers.MAX_INTERPRETER:
        raise GuestError(
            f"the path of the interpreter is too long for a guest ({sys.executable}); move the repository"
        )
    try:
        folder = cache_dir("initramfs")
        runtime = contents.runtime()
        runtime_file = _runtime(folder, runtime)
        suite = contents.suite(request.repository)
        key = _digest(
            [runtime_file.name, str(request.repository), *map(repr, sorted(request.entries.items()))],
            [*suite, *request.modules, *_guest_programs()],
            request.extra,
        )
        image = folder / f"image-{key}.cpio"
        cached = _used(image)
        if not cached:
            layer = layers.suite_layer(
                request.repository,
                suite,
                runtime.interpreter,
                request.extra,
                request.entries,
                request.modules,
            )
            _write_image(image, runtime_file, layer)
        _prune(folder)
        size = runtime_file.stat().st_size
        return Image(image, size, image.stat().st_size - size, cached)
    except OSError as error:
        where = error.filename or "in the cache (~/.cache or $XDG_CACHE_HOME)"
        raise GuestError(f"cannot build the guest's initramfs: {error.strerror}: {where}") from error


def _runtime(folder: Path, runtime: contents.Runtime) -> Path:
    """The runtime layer's file.

    Which libraries are needed takes a second to find out, so the list is kept under a key of everything it
    depends on.
    """
    loader_config = [path for path in (Path("/etc/ld.so.cache"),) if path.exists()]
    key = _digest([sys.version, sys.prefix], [*runtime.all(), *loader_config])
    listing = folder / f"libraries-{key}"
    if not listing.exists() or not all(os.path.exists(line) for line in listing.read_text().split("\n")):
        with _replacing(listing) as out:
            out.write_text("\n".join(map(str, contents.libraries(runtime))))
    libraries = [Path(line) for line in listing.read_text().split("\n")]
    archive_file = folder / f"runtime-{_digest([key], libraries)}.cpio"
    if not _used(archive_file):
        with _replacing(archive_file) as out, out.open("wb") as stream:
            layers.runtime_layer(runtime, libraries).write(stream)
    return archive_file


def _write_image(image: Path, runtime_file: Path, layer: Archive) -> None:
    with _replacing(image) as out:
        shutil.copyfile(runtime_file, out)
        with out.open("ab") as stream:
            layer.write(stream)


def _guest_programs() -> list[Path]:
    return sorted(layers.INSIDE.glob("*.py"))


def _digest(words: Iterable[str], files: Iterable[Path], named: Mapping[str, Path] | None = None) -> str:
    """A key over words, over paths with contents and modes, over named files, and over our own code."""
    own = Path(__file__).parent
    state = hashlib.sha256()
    for word in words:
        state.update(word.encode() + b"\0")
    pairs = [(str(path), path) for path in files] + sorted((named or {}).items())
    for name, path in [*pairs, *((code, own / code) for code in _OWN_CODE)]:
        data = path.read_bytes()
        state.update(
            b"%s\0%s\0%o\0%d\0"
            % (name.encode(), os.path.realpath(path).encode(), path.stat().st_mode, len(data))
        )
        state.update(data)
    return state.hexdigest()[:20]


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well: no reader ever sees
    half a file.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _used(path: Path) -> bool:
    """Whether a cached file is there; it counts as used now, so that nobody prunes it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _prune(folder: Path) -> None:
    for pattern in ("image-*", "runtime-*", "libraries-*"):
        with contextlib.suppress(FileNotFoundError):  # another run prunes, too
            files = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in files[KEEP:]:
                if time.time() - path.stat().st_mtime > _IN_USE_SECONDS:
                    path.unlink()
