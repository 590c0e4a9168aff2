# SPDX-License-Identifier: GPL-2.0-only
"""The schema of events as those who write them have to meet it: without a field or an event that it lacks."""

import copy
from functools import cache

from jsonschema import Draft202012Validator

from tools.report.events import read
from tools.report.readers.record import schema


@cache
def validator():
    """Nothing unknown, at no depth."""
    strict = copy.deepcopy(schema())
    strict["unevaluatedProperties"] = False
    for field in strict["$defs"]["run-start"]["properties"].values():
        if "properties" in field:
            field["additionalProperties"] = False
    return Draft202012Validator(strict)


def errors(events):
    """What is wrong with them, a line each."""
    return [
        f"{number} {event['event']}: {error.json_path}: {error.message}"
        for number, event in enumerate(events, 1)
        for error in validator().iter_errors(event)
    ]


def check(path):
    """A whole record."""
    assert errors(read(path).events) == []
