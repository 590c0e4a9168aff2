# SPDX-License-Identifier: GPL-2.0-only
"""What a certificate says, in a few lines for people."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.certificate.statement import EXTENSION

__all__ = ["summary"]


def summary(statement: Mapping[str, Any], today: date) -> Iterator[str]:
    """Yield the lines; a waiver tells how many days are left."""
    predicate = statement["predicate"]
    told = predicate[EXTENSION]
    passed, warned = len(predicate["passedTests"]), len(predicate["warnedTests"])
    untested = told["catalogue"]["requirements"] - passed - warned
    kernel, suite = told["kernel"], told["suite"]
    yield (
        f"result:     {predicate['result']}: {passed} requirements hold, {warned} with a warning, "
        f"{untested} could not be tested or were not selected"
    )
    names = [f"{word} {kernel[word]}" for word in ("series", "message_id", "git_commit") if word in kernel]
    yield f"kernel:     {', '.join([kernel['release'], *names])}; dialect {told['dialect']}"
    clean = "" if suite["clean"] else " (not clean)"
    yield f"suite:      {suite['version']}{clean}, catalogue {told['catalogue']['sha256'][:12]}"
    partial = " (partial: tests or must requirements were left out)" if told["partial"] else ""
    yield f"topologies: {', '.join(told['topologies'])}{partial}"
    if words := told["run"]["selection"]:
        yield f"choice:     {shlex.join(words)}"
    for name, place in told["topologies"].items():
        for one in place["devices"]:
            ids = f"{one['vendor']}:{one['device']}"
            yield f"device:     {name}: {ids}, serial {one['serial']}, firmware {one['firmware']}"
    if model := told.get("profile"):
        yield f"profile:    {model['model']}, firmware {model['firmware']}"
    for one in told["waivers"]:
        left = (date.fromisoformat(one["expires"]) - today).days
        yield f"waived:     {one['requirement']} until {one['expires']} ({left} days): {one['reason']}"
    for one in told["exceptions"]:
        seen = sum(splat["seen"] for splat in one["splats"])
        allowed = f", allowed {seen} splat{'' if seen == 1 else 's'}" if one["table"] == "allowed" else ""
        yield f"overlooked: {one['name']}{allowed}: {one['reason']}"
