# SPDX-License-Identifier: GPL-2.0-only
"""Makes a guest look like the host to pytest-xdist. PYTEST_DONT_REWRITE

xdist takes a worker that it reaches through a pipe for a process on the same machine, and names its folder
for temporary files below one that it has made on the host.
"""

import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Make the parents of the folder for temporary files."""
    if config.option.basetemp:
        os.makedirs(os.path.dirname(config.option.basetemp), exist_ok=True)
