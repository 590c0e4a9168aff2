# SPDX-License-Identifier: GPL-2.0-only
"""The two archives of an initramfs: the runtime (large, seldom changes) and the suite (small, changes with
each edit).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from tools.guest import bytecode, elf
from tools.guest.contents import Runtime
from tools.guest.cpio import Archive

INSIDE = Path(__file__).with_name("inside")

# Mount points and folders that programs expect. /tmp stays a plain folder of the root file system, which is
# memory anyway: a tmpfs there would hide a repository or an interpreter that lives below /tmp on the host.
_FOLDERS = {
    "/proc": 0o555,
    "/sys": 0o555,
    "/dev": 0o755,
    "/run": 0o755,
    "/tmp": 0o1777,
    "/var/tmp": 0o1777,
    "/root": 0o700,
}

# What Python and pytest ask the user database for.
_PASSWD = b"root:x:0:0:root:/root:/bin/false\n"
_GROUP = b"root:x:0:\n"

# Shebang lines longer than this are cut off by the kernel (BINPRM_BUF_SIZE, with some room).
MAX_INTERPRETER = 240


def place(archive: Archive, path: Path | str) -> str:
    """Make the way to `path` as it is on the host: folders as folders, symbolic links as links. Returns the
    real path.

    So a file is found in the guest under every name that leads to it on the host. Raises OSError (ELOOP) on
    a loop.
    """
    todo = list(reversed(PurePosixPath(os.path.abspath(path)).parts[1:]))
    at = ""
    followed = 0
    while todo:
        step = f"{at}/{todo.pop()}"
        if not os.path.islink(step):
            at = step
            continue
        followed += 1
        if followed > 40:
            raise OSError(40, "Too many levels of symbolic links", str(path))
        target = os.readlink(step)
        archive.symlink(step, target)
        resolved = os.path.normpath(os.path.join(at or "/", target))
        todo += reversed(PurePosixPath(resolved).parts[1:])
        at = ""
    return at


def add_file(archive: Archive, path: Path, data: bytes | None = None) -> str:
    """Add a host file under its own path, ELF files without debug data; returns where it really is."""
    real = place(archive, path)
    if data is None:
        data = elf.stripped(Path(real).read_bytes())
    archive.file(real, data, executable=bool(os.stat(real).st_mode & stat.S_IXUSR))
    return real


def runtime_layer(runtime: Runtime, libraries: list[Path]) -> Archive:
    """Interpreter, standard library, packages, shared libraries, and what a root file system needs."""
    archive = Archive()
    for path, mode in _FOLDERS.items():
        archive.directory(path, mode)
    # The kernel opens these two for init before anything is mounted.
    archive.char_device("/dev/console", 5, 1)
    archive.char_device("/dev/null", 1, 3, 0o666)
    archive.file("/etc/passwd", _PASSWD)
    archive.file("/etc/group", _GROUP)

    add_file(archive, runtime.interpreter)
    for file in (*libraries, *runtime.binaries, *runtime.terminfo):
        add_file(archive, file)
    if Path("/etc/ld.so.cache").exists():  # libraries outside the loader's own folders
        add_file(archive, Path("/etc/ld.so.cache"))
    if runtime.config:
        add_file(archive, runtime.config)
    for file in runtime.metadata:
        add_file(archive, file, _trimmed(file))
    for file in runtime.python:
        _add_module(archive, file)
    return archive


def suite_layer(
    repository: Path,
    suite: list[Path],
    interpreter: Path,
    extra: Mapping[str, Path],
    entries: Mapping[str, bytes],
    modules: Sequence[Path] = (),
) -> Archive:
    """The suite at the same path as on the host, the guest's own programs, files given as guest path:
    host file (`extra`) or guest path: content (`entries`), and more modules with their bytecode.
    """
    archive = Archive()
    for path in suite:
        source = path.read_bytes()
        add_file(archive, path, source)
        if path.suffix == ".py":
            _add_bytecode(archive, path, source)
    for path in modules:
        _add_module(archive, path)
    init = (INSIDE / "init.py").read_bytes()
    archive.file("/init", f"#!{interpreter} -I\n".encode() + init, executable=True)
    for path in sorted(INSIDE.glob("guest_*.py")):
        archive.file(
            f"/pnode/{path.stem}.pyc", bytecode.compiled(path.read_bytes(), Path("/pnode", path.name))
        )
    for guest_path, host_file in sorted(extra.items()):
        archive.file(guest_path, host_file.read_bytes())
    for guest_path, data in sorted(entries.items()):
        archive.file(guest_path, data)
    place(archive, repository)
    return archive


def _add_module(archive: Archive, path: Path) -> None:
    """A library module with its bytecode. The source is there for the lines that tracebacks show."""
    if path.suffix != ".py":
        add_file(archive, path)
        return
    real = Path(place(archive, path))
    source = real.read_bytes()
    archive.file(str(real), source)
    with contextlib.suppress(SyntaxError, ValueError):  # templates that only look like Python
        archive.file(str(bytecode.compiled_name(real)), bytecode.compiled(source, path))


def _add_bytecode(archive: Archive, path: Path, source: bytes) -> None:
    """Bytecode beside a source, the importer's and pytest's; none for a file with a syntax error, which
    pytest reports.
    """
    try:
        ahead = [(bytecode.compiled_name(path), bytecode.compiled(source, path)), bytecode.rewritten(path)]
    except (SyntaxError, ValueError):
        return
    for item in ahead:
        if item is not None:
            name, data = item
            folder = place(archive, name.parent.parent)
            archive.file(f"{folder}/__pycache__/{name.name}", data)


def _trimmed(path: Path) -> bytes:
    """A METADATA file without its long description, which nobody in the guest reads but the parser."""
    data = path.read_bytes()
    return data.partition(b"\n\n")[0] + b"\n\n" if path.name == "METADATA" else data
