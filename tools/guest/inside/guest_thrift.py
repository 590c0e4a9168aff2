# SPDX-License-Identifier: GPL-2.0-only
"""Spares a guest what pytest does for every hook and report anew, and nobody needs.
PYTEST_DONT_REWRITE

Under TCG a test of this suite costs a tenth of a second beside what it does itself.
"""

import functools
from collections.abc import Generator, Iterable
from importlib import metadata
from typing import Any

import pytest


def keep_distributions() -> None:
    """Look for installed packages once: pytest does it for each of its plugins, and reads what every package
    offers. In an image nothing is installed later."""
    found = list(metadata.distributions())
    look = metadata.distributions

    def distributions(**where: Any) -> Iterable[metadata.Distribution]:
        return look(**where) if where else iter(found)

    offers = functools.cached_property(metadata.Distribution.entry_points.fget)  # type: ignore[attr-defined]
    offers.__set_name__(metadata.PathDistribution, "entry_points")
    metadata.PathDistribution.entry_points = offers  # type: ignore[assignment]
    metadata.distributions = distributions


@pytest.hookimpl
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what is made for each of some thirty hooks of a test: the hooks without those of other folders'
    conftest.py. They are the same for a path until one more conftest.py is known."""
    make, plugins = session.gethookproxy, session.config.pluginmanager
    known: dict[tuple[object, int], Any] = {}

    def gethookproxy(fspath: Any) -> Any:
        key = fspath, len(plugins._conftest_plugins)
        found = known.get(key)
        if found is None:
            found = known[key] = make(fspath)
        return found

    session.gethookproxy = gethookproxy  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
    """Leave out the words that -k goes by, three times a test: the host has its own."""
    data = yield
    if data is not None and "keywords" in data:
        data["keywords"] = {}
    return data
