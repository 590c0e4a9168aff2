# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin that writes what was collected as JSON: nodeid, requirements and reason to skip of each test.

Loaded by name in a process of its own (collect.py), so that no test module is imported by the runner.
"""

import json
import os
from pathlib import Path

import pytest

OUTPUT = "PNODE_COLLECTED"  # environment variable with the path to write


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the tests that are left after every selection."""
    tests = [
        {
            "nodeid": item.nodeid,
            "skipped": mark.kwargs.get("reason") if (mark := item.get_closest_marker("skip")) else None,
            "requirements": [value for name, value in item.user_properties if name == "requirement"],
        }
        for item in session.items
    ]
    Path(os.environ[OUTPUT]).write_text(json.dumps(tests))
