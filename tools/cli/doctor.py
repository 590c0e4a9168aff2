# SPDX-License-Identifier: GPL-2.0-only
"""pnode doctor: one line a check, with the command that mends it."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from tools.cli.exits import Exit, statuses
from tools.doctor import checks
from tools.doctor.checks import Finding, State


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses(
        "nothing is missing; what is degraded costs time or comfort",
        cannot="something is missing: its line says how to get it",
    )
    parser.add_argument("--json", action="store_true", help="print a list of {state, name, what, fix}")


def line(finding: Finding) -> str:
    """Return `state  name  what  -> command`."""
    text = f"{finding.state:<8}  {finding.name:<13}  {finding.what}"
    return f"{text}  -> {finding.fix}" if finding.fix else text


def status(findings: Sequence[Finding]) -> Exit:
    """Return 2 when anything is missing; degraded still runs."""
    missing = any(finding.state is State.MISSING for finding in findings)
    return Exit.CANNOT_RUN if missing else Exit.HOLDS


def execute(args: argparse.Namespace) -> int:
    findings = checks.run_all()
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(line(finding))
    return status(findings)
