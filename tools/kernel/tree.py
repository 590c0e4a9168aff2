# SPDX-License-Identifier: GPL-2.0-only
"""Reads a kernel build directory that may be anybody's: an O= directory, a built tree, installed headers."""

import hashlib
import re
from pathlib import Path

from tools.errors import UserError
from tools.kernel.recipe import digest

API_HEADER = "include/linux/node_private.h"
# What `make M=` reads first; each missing one has its own reason.
NEEDED = {
    "Makefile": "it is not a kernel build directory",
    ".config": "the kernel in it is not configured",
    "Module.symvers": "the kernel in it has not been built to the end",
    "include/generated/utsrelease.h": "the kernel in it has not been prepared (make prepare)",
}

KERNELS = ("vmlinux", "arch/x86/boot/bzImage")


def require_build_dir(build_dir: Path) -> None:
    """Check that modules can be built against a directory. Raises UserError naming what is missing."""
    if not build_dir.is_dir():
        raise UserError(f"--build {build_dir}: no such directory; give the directory the kernel was built in")
    for name, reason in NEEDED.items():
        if not (build_dir / name).exists():
            raise UserError(f"--build {build_dir}: no {name}, so {reason}")


def require_api(build_dir: Path) -> None:
    """Check that the kernel's headers have the series' API. Raises UserError when they have not."""
    if not any((root / API_HEADER).is_file() for root in roots(build_dir)):
        raise UserError(
            f"--build {build_dir}: this kernel tree does not have the series' API (no {API_HEADER}); "
            "give --kernel alone to be told which dialect it speaks"
        )


def roots(build_dir: Path) -> list[Path]:
    """Return where headers of this kernel may be: the directory, its source, what its Makefile includes."""
    found = [build_dir]
    if (build_dir / "source").is_dir():
        found.append((build_dir / "source").resolve())
    for line in (build_dir / "Makefile").read_text(errors="replace").splitlines():
        if match := re.match(r"include\s+(?P<path>\S+)/Makefile\s*$", line):
            found.append((build_dir / match["path"]).resolve())
    return found


def release(build_dir: Path) -> str:
    """Return the release that modules of this directory are built for (uname -r of its kernel)."""
    text = (build_dir / "include/generated/utsrelease.h").read_text()
    match = re.search(r'UTS_RELEASE "(?P<release>[^"]+)"', text)
    if match is None:
        raise UserError(f"--build {build_dir}: include/generated/utsrelease.h names no release")
    return match["release"]


def compiler(config: Path) -> str | None:
    """Return the compiler that a configuration was made for, as it named itself; None when it says none."""
    match = re.search(r'^CONFIG_CC_VERSION_TEXT="(?P<name>.*)"$', config.read_text(errors="replace"), re.M)
    return match["name"] if match else None


def identity(build_dir: Path) -> str:
    """Return a hash that changes when a module built against this directory must be built again."""
    parts = [digest(build_dir / name) for name in NEEDED if name != "Makefile"]
    # Same configuration and symbols, other structures: somebody at work on the patches. Without MODVERSIONS
    # only the kernel itself shows that.
    candidates = [build_dir / name for name in KERNELS] + [root / API_HEADER for root in roots(build_dir)]
    parts += [digest(path) for path in candidates if path.is_file()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
