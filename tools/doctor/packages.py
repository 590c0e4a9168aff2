# SPDX-License-Identifier: GPL-2.0-only
"""System packages: which are missing, the command that installs them, and installing them as root."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.doctor.sources import suites
from tools.errors import UserError
from tools.process import run

DATA = Path(__file__).resolve().with_name("packages.toml")
SOURCES = Path("/etc/apt/sources.list")
SOURCES_DIR = Path("/etc/apt/sources.list.d")
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Group:
    """Packages that serve one purpose; fields as in packages.toml."""

    name: str
    why: str
    apt: tuple[str, ...]
    commands: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)  # header -> linker option
    devices: Mapping[str, str] = field(default_factory=dict)  # QEMU device -> property it must have
    suite: Mapping[str, str] = field(default_factory=dict)  # release of the system -> apt suite
    optional: bool = False


def load(path: Path = DATA) -> dict[str, Group]:
    """Return the groups by name. Raises TypeError for a key that does not exist."""
    data: dict[str, dict[str, Any]] = tomllib.loads(path.read_text())
    groups = {}
    for name, table in data.items():
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
        }
        groups[name] = Group(name=name, **values)
    return groups


def missing_probes(group: Group) -> list[str]:
    """Return the commands, headers and device properties of a group that are not there."""
    lost = [command for command in group.commands if shutil.which(command) is None]
    if group.headers and shutil.which("gcc"):
        lost += [header for header, library in group.headers.items() if not compiles(header, library)]
    elif group.headers:
        lost += list(group.headers)
    if not lost:
        lost += [
            f"QEMU device {device} with {name}"
            for device, name in group.devices.items()
            if name not in device_properties(device)
        ]
    return lost


def device_properties(device: str) -> set[str]:
    """Return the names of the properties of a QEMU device; empty when this QEMU does not have it."""
    argv = ["qemu-system-x86_64", "-device", f"{device},help"]
    output = subprocess.run(argv, capture_output=True, text=True).stdout
    # "  volatile-memdev=<link<memory-backend>>"
    return {line.strip().partition("=")[0] for line in output.splitlines() if "=" in line}


def compiles(header: str, library: str) -> bool:
    """Tell whether a program that includes the header compiles and links."""
    program = f"#include <stddef.h>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    with tempfile.TemporaryDirectory(prefix="pnode-") as scratch:
        argv = ["gcc", "-x", "c", "-", "-o", f"{scratch}/probe", *library.split()]
        return subprocess.run(argv, input=program, capture_output=True, text=True).returncode == 0


def codename() -> str:
    """Return the release of this Debian, such as bookworm; empty when it is something else."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


def apt_commands(groups: Iterable[Group], release: str) -> list[list[str]]:
    """Return the apt-get commands that install groups, one for each suite."""
    by_suite: dict[str, list[str]] = {}
    for group in groups:
        by_suite.setdefault(group.suite.get(release, ""), []).extend(group.apt)
    return [
        [
            *("apt-get", "install", "--yes", "--no-install-recommends"),
            *(("-t", suite) if suite else ()),
            *sorted(set(packages)),
        ]
        for suite, packages in sorted(by_suite.items())
    ]


def advice(groups: Iterable[Group]) -> str:
    """Return the shell command that a person types to install groups."""
    groups = list(groups)
    sudo = "" if os.geteuid() == 0 else "sudo "
    release = codename()
    steps = []
    for suite in sorted({group.suite.get(release, "") for group in groups} - {""}):
        if not suite_listed(suite):
            line = f"deb {MIRROR} {suite} main"
            steps += [f"echo '{line}' | {sudo}tee {SOURCES_DIR}/{suite}.list", f"{sudo}apt-get update"]
    steps += [sudo + " ".join(words) for words in apt_commands(groups, release)]
    return " && ".join(steps)


def require(names: Sequence[str]) -> None:
    """See to it that the groups are there: install them as root, else raise UserError with the command."""
    groups = load()
    lost = {name: probes for name in names if (probes := missing_probes(groups[name]))}
    if not lost:
        return
    doomed = [groups[name] for name in lost]
    what = "; ".join(f"{', '.join(probes)} ({groups[name].why})" for name, probes in lost.items())
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise UserError(f"missing: {what}. Install: {advice(doomed)}")
    print(f"pnode: installing what is missing: {what}", file=sys.stderr, flush=True)
    install(doomed)
    still = [probe for group in doomed for probe in missing_probes(group)]
    if still:
        raise UserError(f"still missing after {advice(doomed)}: {', '.join(still)}")


def install(groups: Sequence[Group]) -> None:
    """Install groups with apt as root. Raises UserError with apt's last lines."""
    release = codename()
    for suite in {group.suite.get(release, "") for group in groups} - {""}:
        add_suite(suite)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "-q", "update"], "apt-get update", env=env)
    for words in apt_commands(groups, release):
        run(words, " ".join(words), env=env)


def suite_listed(suite: str) -> bool:
    """Tell whether apt takes packages from the suite."""
    return suite in suites(SOURCES, SOURCES_DIR)


def add_suite(suite: str) -> None:
    """Name a suite of Debian to apt, unless some sources file does already."""
    if suite_listed(suite):
        return
    target = SOURCES_DIR / f"pnode-{suite}.sources"
    print(f"pnode: adding {target}", file=sys.stderr, flush=True)
    target.write_text(
        "# Added by pnode: QEMU with volatile CXL devices.\n"
        "Types: deb\n"
        f"URIs: {MIRROR}\n"
        f"Suites: {suite}\n"
        "Components: main\n"
        f"Signed-By: {KEYRING}\n"
    )
