# SPDX-License-Identifier: GPL-2.0-only
"""The far end of `pnode run --here --tx ssh=...`: makes this machine ready for tests, for as long as somebody
holds its standard input open.

python -m tools.cli.lend [--build DIR]

Prints one line of JSON: what the machine is, or `error`, why it cannot be had.
"""

import argparse
import json
import sys
from pathlib import Path

from helpers import dialect, machine, pace
from tools.cli import here
from tools.cli.far import BOOT_ID
from tools.cli.version import suite_version
from tools.errors import UserError


def main(argv: list[str]) -> int:
    """Load the test module, say so, and take it out again when the other side has gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path)
    args = parser.parse_args(argv)
    try:
        kernel = here.subject(args.build)
        with here.loaded(kernel.module()):
            record = {
                "suite": suite_version(),
                "release": kernel.release,
                "kernel": kernel.event(),
                "boot_id": Path(BOOT_ID).read_text().strip(),
                "dialect": dialect.detect_dialect(),
                "machine": machine.told(),
                "pace": pace.factor(pace.measure()),
            }
            print(json.dumps(record), flush=True)
            sys.stdin.read()
    except UserError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
