# SPDX-License-Identifier: GPL-2.0-only
"""A guest in which functions of inside/ are called: booted as for a run, without pytest."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import execnet

from tools.errors import UserError
from tools.guest import pool
from tools.guest.spec import GuestSpec
from tools.guest.topology import Topology
from tools.paths import ROOT

#: Where files of the host are found in the guest.
FOLDER = "/pnode/bench"
INSIDE = Path(__file__).with_name("inside")
#: Seconds that one call may take: an unattended bench never hangs.
PATIENCE = 300.0

_REMOTE = """
import importlib, json
module, name, arguments = json.loads(channel.receive())
channel.send(json.dumps(getattr(importlib.import_module(module), name)(**arguments)))
"""


class Guest:
    """One that is up."""

    def __init__(self, running: pool.Pool, gateway: Any) -> None:
        self.record: Mapping[str, Any] = running.record
        self.seconds: Mapping[str, float] = running.guests[0].seconds
        self.accel = running.accel.name
        self._gateway, self._patience = gateway, PATIENCE * running.pace

    def call(self, module: str, name: str, **arguments: Any) -> Any:
        """Call a function of inside/ in the guest; arguments and result are JSON. Raises UserError with
        what it raised there."""
        channel = self._gateway.remote_exec(_REMOTE)
        try:
            channel.send(json.dumps([f"tools.bench.inside.{module}", name, arguments]))
            return json.loads(channel.receive(self._patience))
        except (channel.RemoteError, channel.TimeoutError, EOFError, OSError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(f"bench: {module}.{name} in the guest: {lines[-1]}") from error


@contextmanager
def booted(
    place: Topology, kernel: Path, module: Path, files: Mapping[str, Path], more: Sequence[Path] = ()
) -> Iterator[Guest]:
    """Have a guest for the block, with `files` (name: host's file) in FOLDER, and `more` at their own paths.
    Raises UserError."""
    packages = [ROOT / "tools/__init__.py", INSIDE.parent / "__init__.py"]
    spec = GuestSpec(
        topology=place,
        kernel=kernel,
        module=module,
        extra={f"{FOLDER}/{name}": path for name, path in files.items()},
        modules=(*packages, *sorted(INSIDE.glob("*.py")), *more),
        warm=False,
    )
    with (
        tempfile.TemporaryDirectory(prefix="pnode-bench-") as folder,
        pool.start(spec, 1, Path(folder)) as up,
    ):
        group = execnet.Group()
        try:
            yield Guest(up, group.makegateway(up.tx()[0]))
        finally:
            group.terminate(timeout=3.0)
