# SPDX-License-Identifier: GPL-2.0-only
"""The errors of this package that a user gets to see."""

from __future__ import annotations

from pathlib import Path

from tools.errors import UserError


class GuestError(UserError):
    """A guest could not be made, started or used: what, why and what to do, in one line.

    `console` is the guest's serial log when there is one.
    """

    def __init__(self, message: str, console: Path | None = None) -> None:
        super().__init__(message if console is None else f"{message} (console: {console})")
        self.console = console


class GuestStalled(GuestError):
    """A guest lost a timer while it booted and will not come up, which is nobody's fault but a busy host's:
    the next one will."""
