# SPDX-License-Identifier: GPL-2.0-only
"""How a run was started, for the commands that repeat a part of it."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.paths import ROOT

#: Options that say which kernel or machine is tested, and whether they have a value; a rerun needs the same.
_CARRIED = {
    "--kernel": True,
    "--build": True,
    "--flavour": True,
    "--repeat": True,
    "--seed": True,
    "--stress-seconds": True,
    "--stress-seed": True,
    "--known": True,
    "--every-cpu": False,
    "--steal": True,
    "--here": False,
    "--tx": True,
    "--allow-disruptive": False,
    "--dax": True,
    "--node": True,
    "--profile": True,
    "--module": True,
}
#: Those of them whose value is a path, from the directory that the run was started in.
_PATHS = {"--kernel", "--build", "--known", "--profile", "--module"}


def words(run: Mapping[str, Any], topology: str) -> list[str]:
    """The beginning of a command for the same kernel on a topology; `run` is the run-start event."""
    found = ["tools/pnode", "run", *_carried(run)]
    return found if "--here" in found else [*found, "--topology", topology]


def command(run: Mapping[str, Any], topology: str) -> str:
    """The same, for a shell."""
    return shlex.join(words(run, topology))


def _carried(run: Mapping[str, Any]) -> Iterator[str]:
    started = Path(run.get("cwd") or ROOT)
    argv = iter(str(word) for word in run.get("argv") or ())
    for word in argv:
        if word == "--":
            return
        name, equals, value = word.partition("=")
        if name not in _CARRIED:
            continue
        if _CARRIED[name] and not equals:
            value = next(argv, "")
        yield name
        if _CARRIED[name]:
            # The command begins with tools/pnode, so that it is given in the directory of the suite.
            yield value if name not in _PATHS or started == ROOT else str(started / value)
