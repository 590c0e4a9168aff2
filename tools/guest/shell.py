# SPDX-License-Identifier: GPL-2.0-only
"""One guest with its console on this terminal, for people."""

from __future__ import annotations

import shutil
import subprocess
import tempfile

from tools.guest.errors import GuestError
from tools.guest.spec import GuestSpec, prepare


def shell(spec: GuestSpec) -> int:
    """Boot a guest with an interactive Python on its serial console; returns QEMU's exit status.

    Ctrl-A x ends QEMU, Ctrl-A c shows its monitor, Ctrl-D in the guest powers it off. Raises GuestError
    when the guest cannot be made.
    """
    size = shutil.get_terminal_size()
    prepared = prepare(spec, console=True, terminal=f"{size.lines}x{size.columns}")
    with tempfile.TemporaryDirectory(prefix="pnode-shell-") as folder:
        try:
            done = subprocess.run(prepared.argv, cwd=folder, check=False)
        except OSError as error:
            raise GuestError(f"cannot start QEMU: {error.strerror}; see pnode doctor") from error
    return done.returncode
