# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can do, found by trying it. Each check gives one finding; none changes anything."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from tools.doctor import packages
from tools.errors import UserError
from tools.guest import accel
from tools.kernel import cache, recipe, source
from tools.paths import cache_dir

GIB = 1 << 30
MEMORY_WANTED = 6 * GIB  # two guests of the largest topology and the runner
TIMEOUT = 60.0  # seconds for a program that should answer at once


class State(StrEnum):
    """How a finding stands."""

    OK = "ok"
    DEGRADED = "degraded"  # works, slower or with less
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    state: State
    name: str
    what: str
    fix: str = ""  # command that mends it


def python() -> Finding:
    """The interpreter, and the venv module the entry point needs."""
    version = sys.version.split()[0]
    if not packages_of_python():
        fix = "apt-get install python3-venv"
        return Finding(State.MISSING, "python", f"{version} without venv and ensurepip", fix)
    return Finding(State.OK, "python", f"{version} at {sys.base_prefix}")


def packages_of_python() -> bool:
    """Tell whether the base interpreter can make environments."""
    base = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    probe = "import venv, ensurepip; ensurepip.version()"
    argv = [str(base) if base.exists() else sys.executable, "-c", probe]
    return subprocess.run(argv, capture_output=True, timeout=TIMEOUT).returncode == 0


def compiler() -> Finding:
    """A program that compiles, links and runs."""
    group = packages.load()["compiler"]
    lost = packages.missing_probes(group)
    if lost:
        return Finding(State.MISSING, "compiler", f"no {', '.join(lost)}", packages.advice([group]))
    with tempfile.TemporaryDirectory(prefix="pnode-") as scratch:
        program = Path(scratch, "probe")
        built = subprocess.run(
            ["gcc", "-x", "c", "-", "-o", program],
            input="int main(void) { return 42; }\n",
            text=True,
            capture_output=True,
            timeout=TIMEOUT,
        )
        if built.returncode or subprocess.run([program], timeout=TIMEOUT).returncode != 42:
            return Finding(
                State.MISSING, "compiler", "a trivial program fails to build or run", packages.advice([group])
            )
    return Finding(State.OK, "compiler", recipe.compiler())


def kernel_tools() -> Finding:
    """flex, bison, bc and the headers that the kernel's own tools need."""
    group = packages.load()["kernel"]
    lost = packages.missing_probes(group)
    if lost:
        return Finding(State.MISSING, "kernel-tools", f"no {', '.join(lost)}", packages.advice([group]))
    return Finding(State.OK, "kernel-tools", ", ".join([*group.commands, *group.headers]))


def ccache() -> Finding:
    """Optional: a second kernel takes a fraction of the time."""
    group = packages.load()["ccache"]
    if packages.missing_probes(group):
        return Finding(State.DEGRADED, "ccache", "not there; " + group.why, packages.advice([group]))
    return Finding(State.OK, "ccache", shutil.which("ccache") or "")


def browser() -> Finding:
    """Only a unit test of the HTML page needs one: `pnode check` installs it."""
    group = packages.load()["browser"]
    if packages.missing_probes(group):
        return Finding(State.DEGRADED, "browser", "not there; " + group.why, packages.advice([group]))
    return Finding(State.OK, "browser", shutil.which(group.commands[0]) or "")


def kernel_source() -> Finding:
    """Sources: unpacked already, installed, or to be had from apt."""
    package = recipe.load().package
    tree = source.unpacked(package)
    if tree:
        return Finding(State.OK, "kernel-source", f"{package} {tree.version} in {tree.path.parent}")
    if Path("/usr/src", f"{package}.tar.xz").is_file():
        return Finding(State.OK, "kernel-source", f"/usr/src/{package}.tar.xz")
    candidate = apt_candidate(package)
    if candidate:
        return Finding(State.OK, "kernel-source", f"{package} {candidate}, to be downloaded by apt")
    return Finding(
        State.MISSING,
        "kernel-source",
        f"apt knows no {package}; it is in Debian 12's security suite",
        f"apt-get update && apt-get install {package}",
    )


def apt_candidate(package: str) -> str | None:
    """Return the version that apt would install, None when it knows none (or there is no apt)."""
    if shutil.which("apt-cache") is None:
        return None
    env = dict(os.environ, LC_ALL="C")
    shown = subprocess.run(
        ["apt-cache", "policy", package], env=env, capture_output=True, text=True, timeout=TIMEOUT
    )
    match = re.search(r"Candidate: (?P<version>\S+)", shown.stdout)
    return match["version"] if match and match["version"] != "(none)" else None


def qemu() -> Finding:
    """The emulator itself."""
    group = packages.load()["qemu"]
    if packages.missing_probes(group):
        return Finding(State.MISSING, "qemu", "no qemu-system-x86_64", packages.advice([group]))
    return Finding(State.OK, "qemu", f"QEMU {qemu_version()}")


def qemu_version() -> str:
    """Return the version as QEMU prints it, such as 10.0.2."""
    shown = subprocess.run(
        ["qemu-system-x86_64", "--version"], capture_output=True, text=True, timeout=TIMEOUT
    )
    match = re.search(r"version (?P<version>[\d.]+)", shown.stdout)
    return match["version"] if match else "of unknown version"


def qemu_cxl() -> Finding:
    """Volatile type-3 devices: topology cxl has no memory without them."""
    group = packages.load()["qemu-cxl"]
    if shutil.which("qemu-system-x86_64") is None:
        return Finding(State.MISSING, "qemu-cxl", "no qemu-system-x86_64", packages.advice([group]))
    if packages.missing_probes(group):
        what = f"QEMU {qemu_version()} has no volatile CXL device; topology cxl needs 8.1 or newer with it"
        return Finding(State.MISSING, "qemu-cxl", what, packages.advice([group]))
    extra = "volatile-dc-memdev" in packages.device_properties("cxl-type3")
    return Finding(
        State.OK, "qemu-cxl", "cxl-type3 with volatile-memdev" + (", dynamic capacity" if extra else "")
    )


def kvm() -> Finding:
    """A probe boot: that /dev/kvm exists and opens proves nothing."""
    if shutil.which("qemu-system-x86_64") is None:
        return Finding(
            State.MISSING, "kvm", "not tried: no qemu-system-x86_64", "pnode doctor after installing it"
        )
    image = bootable_kernel()
    if image is None:
        return Finding(
            State.DEGRADED, "kvm", "not tried: no kernel to boot yet; guests probe it", "pnode kernel build"
        )
    found = accel.probe(image, fresh=True)
    if found.name == "kvm":
        return Finding(State.OK, "kvm", found.reason)
    return Finding(State.DEGRADED, "kvm", f"{found.reason}; guests run under TCG, 5 to 20 times slower")


def bootable_kernel() -> Path | None:
    """Return a kernel for the probe boot: the reference kernel built last, else one of this system's."""
    candidates = [kernel.image for kernel in cache.kernels()]
    candidates += [path for path in sorted(Path("/boot").glob("vmlinuz-*")) if os.access(path, os.R_OK)]
    return candidates[0] if candidates else None


def disk() -> Finding:
    """Space where kernels are built."""
    where = cache_dir()
    free = shutil.disk_usage(where).free
    wanted = recipe.load().disk_gib
    what = f"{free / GIB:.1f} GiB free in {where}"
    if free < wanted * GIB:
        return Finding(
            State.MISSING, "disk", f"{what}, a kernel build needs {wanted}", "export XDG_CACHE_HOME=DIR"
        )
    return Finding(State.OK, "disk", what)


def memory() -> Finding:
    """Memory for guests."""
    free = psutil.virtual_memory().available
    what = f"{free / GIB:.1f} GiB available, {len(os.sched_getaffinity(0))} cores"
    if free < MEMORY_WANTED:
        return Finding(State.DEGRADED, "memory", f"{what}: one guest at a time", "pnode run --guests 1")
    return Finding(State.OK, "memory", what)


def cgroup() -> Finding:
    """Version 2, writable: only --here needs it of this machine, guests have their own."""
    root = Path("/sys/fs/cgroup")
    try:
        controllers = (root / "cgroup.controllers").read_text().split()
    except OSError:
        return Finding(
            State.DEGRADED,
            "cgroup2",
            "not mounted on /sys/fs/cgroup; guests have their own, --here needs it",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )
    lacking = {"memory", "cpuset"} - set(controllers)
    if lacking:
        return Finding(
            State.DEGRADED,
            "cgroup2",
            f"without {', '.join(sorted(lacking))}; guests have their own, --here needs them",
            "boot with cgroup_no_v1=all",
        )
    return Finding(State.OK, "cgroup2", " ".join(controllers))


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    kvm,
    qemu,
    qemu_cxl,
    compiler,
    kernel_tools,
    ccache,
    browser,
    kernel_source,
    disk,
    memory,
    cgroup,
)


def run_all() -> list[Finding]:
    """Run every check; one that breaks is a finding too, not the end of the others."""
    findings = []
    for check in CHECKS:
        try:
            findings.append(check())
        except (OSError, UserError, subprocess.SubprocessError) as error:
            findings.append(
                Finding(State.MISSING, check.__name__.replace("_", "-"), f"could not be tried: {error}")
            )
    return findings
