# SPDX-License-Identifier: GPL-2.0-only
"""What to boot, and everything that has to be there before QEMU starts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tools.guest import accel as accelerators
from tools.guest import initramfs, qemu
from tools.guest.accel import Accel
from tools.guest.errors import GuestError
from tools.guest.slot import CONSOLE_BYTES
from tools.guest.topology import Topology
from tools.kernel import image
from tools.paths import ROOT

# The first line a guest's worker says; a number that both sides have to know.
HELLO = "pnode-worker 1"
MODULE_IN_GUEST = "/pnode/pnode_test.ko"

# Imported by the guest's first process, from which workers are forked; a missing one is found at boot.
# Plugins only have to be present: pytest warns when one that it may want to rewrite is already imported.
_PRELOAD = (
    *("pytest", "guest_plugin", "guest_collection", "guest_cpus", "guest_thrift", "guest_attendant"),
    "guest_worker",
    *("execnet.gateway_base", "cffi", "psutil"),
)
_PRESENT = ("xdist", "pytest_timeout")

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class GuestSpec:
    """What to boot.

    accel: None lets the topology's rule decide. extra: more files, guest path to host file. modules: more
    Python modules and files, at the host's own paths. boot: more boot arguments. env: set in the worker,
    beside PNODE_TOPOLOGY, PNODE_PROVIDES and PNODE_SLOT. deadline: seconds until a guest has to be ready;
    None for what is usual, scaled by the load, and by `patience` for a slow kernel. console_bytes: a guest
    that prints more is ended. warm: guests may begin from the state of one that has booted (warm.py).
    """

    topology: Topology
    kernel: Path
    module: Path | None = None
    repository: Path = ROOT
    accel: Accel | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Path] = field(default_factory=dict)
    modules: tuple[Path, ...] = ()
    boot: tuple[str, ...] = ()
    deadline: float | None = None
    patience: float = 1.0
    console_bytes: int = CONSOLE_BYTES
    warm: bool = True


class Prepared(NamedTuple):
    """Ready to start: accelerator, initramfs, and QEMU's command line."""

    accel: Accel
    initrd: initramfs.Image
    argv: list[str]


def prepare(spec: GuestSpec, *, console: bool = False, terminal: str = "24x80") -> Prepared:
    """Check the input, build the initramfs, decide on the accelerator.

    `console`: for a person on this terminal, whose size `terminal` gives as LINESxCOLUMNS; no worker then.
    Raises UserError with one line about what is wrong.
    """
    image.inspect(spec.kernel)
    qemu.check_version(spec.topology)
    if spec.module is not None and not spec.module.is_file():
        raise GuestError(f"test module {spec.module} does not exist; build it, or give none")
    initrd = initramfs.build(_request(spec))
    accel = spec.accel or accelerators.resolve(spec.topology, spec.kernel)
    argv = qemu.command(
        spec.topology,
        accel.name,
        spec.kernel.absolute(),
        initrd.path,
        extra_boot=(*spec.boot, *(_shell_arguments(terminal) if console else ())),
        console=console,
    )
    return Prepared(accel, initrd, argv)


def _shell_arguments(terminal: str) -> tuple[str, ...]:
    # Boot messages are not what a person is waiting for; warnings and worse still show.
    return "quiet", f"pnode.shell={terminal},{os.environ.get('TERM', 'vt100')}"


def environment(spec: GuestSpec) -> dict[str, str]:
    """What the suite in the guest gets to know about where it is."""
    topology = spec.topology
    return {"PNODE_TOPOLOGY": topology.name, "PNODE_PROVIDES": ",".join(topology.provides), **spec.env}


def _request(spec: GuestSpec) -> initramfs.Request:
    config = {
        "repository": str(spec.repository),
        "env": {**_ENVIRONMENT, **environment(spec)},
        "module": MODULE_IN_GUEST if spec.module else None,
        "preload": list(_PRELOAD),
        "present": list(_PRESENT),
        "port": qemu.PORT_NAME,
        "watch": qemu.WATCH_PORT_NAME,
        "hello": HELLO,
    }
    extra = dict(spec.extra)
    if spec.module:
        extra[MODULE_IN_GUEST] = spec.module
    entries = {"/pnode/config.json": json.dumps(config).encode()}
    return initramfs.Request(spec.repository, extra, entries, spec.modules)
