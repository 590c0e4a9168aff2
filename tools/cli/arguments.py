# SPDX-License-Identifier: GPL-2.0-only
"""The parser of all verbs, and types of arguments that several share."""

import argparse
from typing import NoReturn

from tools.cli.exits import Exit


class OneLineParser(argparse.ArgumentParser):
    """Bad usage is one line and exit status `refusal`, without the whole usage text."""

    refusal = int(Exit.CANNOT_RUN)

    def error(self, message: str) -> NoReturn:
        self.exit(self.refusal, f"pnode: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """Parse a count of at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number, at least 1")
    return int(text)
