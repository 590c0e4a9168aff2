# SPDX-License-Identifier: GPL-2.0-only
"""Collects a file when its first test is to run: the host has said which tests there are.
PYTEST_DONT_REWRITE

Under TCG collecting the whole suite takes longer than the boot, in each guest and in each that replaces one.
The host collects it anyway, in a second, and sends the ids (tools/guest/told.py). So the list of tests is
known at once, and each becomes pytest's own item when somebody asks for it. An id that the guest's collection
does not come to is an error of that test. Without a list from the host everything is collected as usual.
"""

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, overload

import pytest
from _pytest.runner import collect_one_node

#: In the worker's input from the host: a list of ids, in the order of the plan.
KEY = "pnode_tests"
# The collector finds next to no garbage in what pytest builds, and looks through all of it again and again.
_THRESHOLDS = (20_000, 20, 50)


class Missing(pytest.Item):
    """A test that the host has collected and this guest has not."""

    def setup(self) -> NoReturn:
        raise LookupError(
            f"{self.nodeid}: collected on the host, not in this guest; does the file import here, "
            "or does a parameter depend on the machine?"
        )

    def runtest(self) -> None: ...


class Name:
    """What is known of a test before it is collected."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


class Told(Sequence[pytest.Item]):
    """The session's items: all have a name, and the one that is taken by its number is collected."""

    def __init__(self, session: pytest.Session, ids: Sequence[str]) -> None:
        self._session = session
        self._ids = list(ids)
        self._items: dict[str, pytest.Item] = {}
        self._seen: set[str] = set()
        self._children: dict[Path, dict[Path, list[pytest.Collector]]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Name]:  # type: ignore[override]
        return map(Name, self._ids)

    @overload
    def __getitem__(self, index: int) -> pytest.Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[pytest.Item]: ...
    def __getitem__(self, index: int | slice) -> pytest.Item | Sequence[pytest.Item]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self.item(self._ids[index])

    def item(self, nodeid: str) -> pytest.Item:
        """The test with an id."""
        file = nodeid.partition("::")[0]
        if file not in self._seen:
            self._seen.add(file)
            self._collect(file)
        if nodeid not in self._items:
            self._items[nodeid] = Missing.from_parent(self._session, name=nodeid, nodeid=nodeid)
        return self._items[nodeid]

    def enter(self) -> None:
        """Collect the folders of the files that pytest was given: it has imported their conftest.py already,
        and forgets the fixtures of those that were not come to when the collection is said to be over."""
        for file in dict.fromkeys(nodeid.partition("::")[0] for nodeid in self._ids):
            self._nodes(self._session.config.rootpath / file)

    def _collect(self, file: str) -> None:
        """Collect a file, and have the plugins do with its tests what they do.

        They are put out of the collector's sight, since all are there for good. Garbage goes first: a failure
        that was expected is a cycle with the variables of its test, which would stay as well.
        """
        gc.collect()
        session = self._session
        items = [
            item for node in self._nodes(session.config.rootpath / file) for item in session.genitems(node)
        ]
        session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=items)
        self._items.update((item.nodeid, item) for item in items)
        gc.freeze()

    def _nodes(self, path: Path) -> list[pytest.Collector]:
        """The collectors of a path; those of the folders on the way are made once, since fixtures belong to
        them."""
        root = self._session.config.rootpath
        if path == root:
            hook = self._session.gethookproxy(root)
            children = self._children.setdefault(root.parent, {})
            if root not in children:
                children[root] = [hook.pytest_collect_directory(path=root, parent=self._session)]
            return children[root]
        if path.parent not in self._children:
            found = self._children[path.parent] = {}
            for folder in self._nodes(path.parent):
                report = collect_one_node(folder)  # imports the folder's conftest.py
                folder.ihook.pytest_collectreport(report=report)
                for node in report.result or ():
                    assert isinstance(node, pytest.Collector)  # what a folder has in it
                    found.setdefault(node.path, []).append(node)
        return self._children[path.parent].get(path, [])


@pytest.hookimpl
def pytest_collection(session: pytest.Session) -> bool | None:
    """The host's list in place of a collection."""
    ids = getattr(session.config, "workerinput", {}).get(KEY)
    if ids is None:
        return None
    gc.set_threshold(*_THRESHOLDS)
    told = Told(session, ids)
    if session.config.args != session.config.getini("testpaths"):
        told.enter()
    # What refuses a whole session (whole.py) does so before its first test.
    session.config.hook.pytest_collection_modifyitems(session=session, config=session.config, items=[])
    session.items = told  # type: ignore[assignment]
    session.testscollected = len(ids)
    session.config.hook.pytest_collection_finish(session=session)
    return True
