# SPDX-License-Identifier: GPL-2.0-only
"""The far end of `pnode run --here --tx ssh=...`: makes this machine ready for tests, for as long as somebody
holds its standard input open.

python -m tools.cli.lend [--build DIR] [--dax DEVICE]... [--node N] [--profile FILE] [--module KO]
                         [--allow-disruptive]

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
from tools.hardware import guard


def main(argv: list[str]) -> int:
    """Take what the tests need, say so, and give it back when the other side has gone."""
    parser = argparse.ArgumentParser()
    for name in ("--build", "--profile", "--module"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--dax", action="append", default=[])
    parser.add_argument("--node", type=int)
    parser.add_argument("--allow-disruptive", action="store_true")
    args = parser.parse_args(argv)
    wish = here.Wish(tuple(args.dax), args.node, args.profile, args.module, args.allow_disruptive)
    try:
        kernel = here.subject(args.build, args.module)
        found = here.hardware(wish)
        with guard.taken(list(found.targets), kernel.module(), Path.cwd()):
            record = {
                "suite": suite_version(),
                "release": kernel.release,
                "kernel": kernel.event(),
                "environment": found.environment(),
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
