# SPDX-License-Identifier: GPL-2.0-only
"""pnode verify: checks a certificate offline."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from tools import certificate
from tools.certificate.summary import summary
from tools.cli.exits import Exit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a certificate")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="public ed25519 key (PEM) of who issued it"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="the results.jsonl it is about: judged again"
    )
    parser.epilog = (
        "exit status:\n  0  good\n  1  not good: each line names the check that failed\n"
        "  2  the certificate, key or results cannot be read"
    )


def execute(args: argparse.Namespace) -> int:
    certificate.require()
    from tools.certificate import keys, verify

    today = datetime.now(UTC).date()
    key = keys.public_key(args.key)
    wrong, told = verify.complaints(verify.read(args.file), key, today, args.results)
    for reason in wrong:
        print(f"pnode: {args.file}: not good: {reason}", file=sys.stderr)
    if wrong or told is None:
        return Exit.DEVIATES
    for line in summary(told, today):
        print(line)
    judged = "the record leads to the same statement" if args.results else "the record was not looked at"
    print(f"{args.file}: good: signed by {key.keyid[:16]}; {judged}", flush=True)
    return Exit.HOLDS
