# SPDX-License-Identifier: GPL-2.0-only
"""Types of arguments that several verbs share."""

import argparse


def positive(text: str) -> int:
    """Parse a count of at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number, at least 1")
    return int(text)
