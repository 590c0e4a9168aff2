# SPDX-License-Identifier: GPL-2.0-only
"""The parser of all verbs, and types of arguments that several share."""

import argparse
from pathlib import Path
from typing import NoReturn

from tools.cli.exits import Exit


class OneLineParser(argparse.ArgumentParser):
    """Bad usage is one line and exit status 2, without the whole usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.CANNOT_RUN, f"pnode: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """Parse a count of at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number, at least 1")
    return int(text)


def file_name(text: str) -> Path:
    """Parse the name of a file to be written. Raises ArgumentTypeError for what can only be a directory."""
    path = Path(text)
    if not path.name:
        raise argparse.ArgumentTypeError(f"{text!r}: no name of a file")
    return path
