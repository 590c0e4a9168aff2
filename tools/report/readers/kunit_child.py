# SPDX-License-Identifier: GPL-2.0-only
"""Runs kunit's parser over a file and prints what it saw as JSON.

python -I -B kunit_child.py TOOLS/TESTING/KUNIT FILE

{"counts": {status: tests}, "errors": [line], "tests": [{"name", "status", "tests"}]}
"""

import importlib
import inspect
import io
import json
import sys
from dataclasses import asdict
from typing import Any


def as_dict(test: Any) -> dict[str, Any]:
    """A test and those below it."""
    return {
        "name": test.name,
        "status": test.status.name,
        "tests": [as_dict(below) for below in test.subtests],
    }


def main() -> None:
    """Parse, and print."""
    directory, path = sys.argv[1:]
    sys.path.insert(0, directory)
    ours, sys.stdout = sys.stdout, io.StringIO()  # before the import: its printer keeps what stdout is then
    printer = importlib.import_module("kunit_printer")
    parser = importlib.import_module("kunit_parser")
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        lines = file.readlines()
    more = len(inspect.signature(parser.parse_run_tests).parameters) > 1  # since Linux 6.13
    result = parser.parse_run_tests(lines, *([printer.stdout] if more else []))
    shown = sys.stdout.getvalue().splitlines()
    errors = [line.partition("[ERROR] ")[2] for line in shown if "[ERROR] " in line]
    counts = asdict(result.counts)
    if counts["errors"] != len(errors):  # a name with the mark in it; the number is right
        errors = [f"{counts['errors']} errors"] if counts["errors"] else []
    json.dump({"counts": counts, "errors": errors, "tests": as_dict(result)["tests"]}, ours)


if __name__ == "__main__":
    main()
