# SPDX-License-Identifier: GPL-2.0-only
"""The error that a source is to blame for, not the machine it is built on."""

from tools.errors import UserError


class BuildError(UserError):
    """This source, or this configuration of it, does not build; another one might.

    A full disk or a missing tool is a plain UserError: no source would build then.
    """
