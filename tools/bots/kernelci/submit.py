#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends the kcidb.json of runs to KCIDB: submit.py RUN...

KCIDB_REST has the service and the token that KernelCI gave you, as its own kci-dev takes it:
https://TOKEN@HOST[:PORT][/PATH]. Needs nothing but Python's standard library.

Exit status: 0 all were taken; 1 one was refused; 2 bad input, and nothing was sent.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

VARIABLE = "KCIDB_REST"
SECONDS = 60.0
NAME = "kcidb.json"


class Refused(Exception):
    """One line: what, why, and what to do."""


def service(given: str) -> tuple[str, str]:
    """Return URL and token of what VARIABLE says. Raises Refused; the token is in no message."""
    parts = urllib.parse.urlsplit(given)
    if parts.scheme not in ("https", "http") or not parts.hostname or not parts.username:
        raise Refused(f"{VARIABLE} is not https://TOKEN@HOST[:PORT][/PATH]")
    path = parts.path.rstrip("/")
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    url = f"{parts.scheme}://{host}{path if path.endswith('/submit') else path + '/submit'}"
    return url, urllib.parse.unquote(parts.username)


def load(run: Path) -> bytes:
    """Return the report of a run. Raises Refused for a directory without one, or one that is cut short."""
    try:
        text = (run / NAME).read_bytes()
        json.loads(text)
    except OSError as error:
        raise Refused(f"{run}: no {NAME} ({error.strerror}); pnode report {run} makes it") from error
    except ValueError as error:
        raise Refused(f"{run}/{NAME}: cut short ({error}); pnode report {run} makes it again") from error
    return text


def send(url: str, token: str, report: bytes, seconds: float = SECONDS) -> str:
    """POST a report and return the answer. Raises Refused."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, report, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return str(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        told = error.read().decode(errors="replace").strip().partition("\n")[0]
        raise Refused(f"{url}: HTTP {error.code} {error.reason}: {told}") from error
    except OSError as error:
        raise Refused(f"{url}: {getattr(error, 'reason', error)}") from error


def main(argv: list[str]) -> int:
    """Send the reports of these runs; all of them are looked at before one is sent."""
    try:
        if not argv:
            raise Refused("give the directories of runs")
        url, token = service(os.environ.get(VARIABLE, ""))
        reports = [(run, load(Path(run))) for run in argv]
    except Refused as error:
        print(f"submit.py: {error}", file=sys.stderr)
        return 2
    status = 0
    for run, report in reports:
        try:
            print(f"{run}: {send(url, token, report).strip()}", flush=True)
        except Refused as error:
            print(f"submit.py: {run}: {error}", file=sys.stderr, flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
