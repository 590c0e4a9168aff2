# SPDX-License-Identifier: GPL-2.0-only
"""Certificates: one signed statement about a finished run, and checking it offline. See README.md here.

Keys, DSSE and JSON Schema are the libraries of the optional group `certify`; whoever imports keys, envelope
or verify calls require() first.
"""

import importlib
import sys

from tools.errors import UserError

__all__ = ["require"]

_LIBRARIES = ("securesystemslib.dsse", "cryptography.hazmat.primitives.asymmetric.ed25519", "jsonschema")


def require() -> None:
    """Raise UserError, with the command that mends it, when a library is missing."""
    try:
        for name in _LIBRARIES:
            importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"certificates need the Python package {(error.name or str(error)).partition('.')[0]}; "
            f"install: {sys.executable} -m pip install 'securesystemslib[crypto]' jsonschema"
        ) from None
