# SPDX-License-Identifier: GPL-2.0-only
"""What runs where: pytest-xdist's workers as seen from the host, at the moment their messages arrive.

pytest-xdist handles messages in one loop, and that loop stands still while a replacement guest boots. A
deadline that counted from the loop's view would kill healthy guests, so messages are noted in the threads
that receive them. This also tells which worker a test runs on, which the start hook does not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from xdist.workermanage import Marker

from tools.report.events import last_line

__all__ = ["Running", "Workers", "guard_replacement", "slot_of"]


@dataclass(frozen=True)
class Running:
    """A test that has started and not finished. `since` is time.monotonic(), `started` seconds since the
    epoch."""

    nodeid: str
    slot: int | None
    since: float
    started: float


def slot_of(node: Any) -> int | None:
    """The guest slot of a worker, from `env:PNODE_SLOT=k` of its --tx; None for an ordinary process."""
    try:
        return int(node.gateway.spec.env["PNODE_SLOT"])
    except (AttributeError, KeyError, ValueError):
        return None


class Workers:
    """Table of the tests that run now, by worker. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Any, Running] = {}
        self._started: dict[str, Running] = {}
        self._finished: dict[Any, str] = {}
        self._cut: dict[Any, Running | None] = {}
        self._last_words: dict[Any, str] = {}
        self._given_up: set[Any] = set()
        self.last_message = time.monotonic()

    def tap(self, node: Any) -> None:
        """Note every message of a new worker before pytest-xdist queues it."""
        queue: Callable[[tuple[str, dict[str, Any]]], None] = node.putevent
        receive: Callable[[Any], None] = node.process_from_remote

        def queued(message: tuple[str, dict[str, Any]]) -> None:
            self._note(node, *message)
            queue(message)

        def received(message: Any) -> None:
            if node in self._given_up:
                return
            if (words := self._broken(node, message)) is not None:
                # By itself pytest-xdist would end the whole session, by a failed assertion of its own.
                self._given_up.add(node)
                node._down = True
                node.notify_inproc("errordown", node=node, error=words)
                return
            if message is Marker.END:
                # An exception that ended the worker; pytest-xdist drops it when the worker had said goodbye.
                errors = getattr(node.channel, "_remoteerrors", ())
                with self._lock:
                    self._last_words[node] = last_line(errors[0]) if errors else ""
            receive(message)

        node.putevent, node.process_from_remote = queued, received

    def _broken(self, node: Any, message: Any) -> str | None:
        """Why a worker is of no use any more in the middle of a test, though it still talks; else None."""
        if message is Marker.END or node not in self._running:
            return None
        name, details = message
        if name == "internal_error":
            return f"pytest broke in the worker: {last_line(details['formatted_error'])}"
        if name == "workerfinished":
            return "the test ended the worker's session (pytest.exit, KeyboardInterrupt)"
        return None

    def given_up(self, node: Any) -> bool:
        """Whether the worker was found to be of no use while its guest still ran."""
        return node in self._given_up

    def start(self, node: Any, nodeid: str, slot: int | None) -> None:
        """A test starts on this worker (`None`: in this process)."""
        with self._lock:
            self._started[nodeid] = self._running[node] = Running(nodeid, slot, time.monotonic(), time.time())
        self.alive()

    def finish(self, node: Any) -> None:
        """The worker's test is over."""
        with self._lock:
            done = self._running.pop(node, None)
            if done is not None:
                self._finished[node] = done.nodeid
        self.alive()

    def alive(self) -> None:
        """Something happened; the run does not stand still."""
        self.last_message = time.monotonic()

    def running(self) -> list[Running]:
        """Tests that run now, oldest first."""
        with self._lock:
            return sorted(self._running.values(), key=lambda running: running.since)

    def runs(self, test: Running) -> bool:
        """Whether this very start of a test has not come to its end."""
        with self._lock:
            return any(test is running for running in self._running.values())

    def started(self, nodeid: str) -> Running | None:
        """When and where the test last started."""
        with self._lock:
            return self._started.get(nodeid)

    def cut_short(self, node: Any) -> Running | None:
        """The test that ran on a worker when it went away; None when it was between two tests."""
        with self._lock:
            return self._cut.get(node, self._running.get(node))

    def last_finished(self, node: Any) -> str | None:
        """The last test that the worker finished."""
        with self._lock:
            return self._finished.get(node)

    def refusal(self, patience: float = 30.0) -> str | None:
        """The usage error with which a worker refused to collect, None when none did.

        It does not travel as an event: the worker says goodbye first and raises afterwards.
        """
        for node in list(self._cut):
            if getattr(node, "workeroutput", {}).get("exitstatus") != pytest.ExitCode.USAGE_ERROR:
                continue
            deadline = time.monotonic() + patience
            while node not in self._last_words and time.monotonic() < deadline:
                time.sleep(0.05)
            words = self._last_words.get(node) or "a guest refused to collect the tests"
            return words.removeprefix("pytest.UsageError: ")
        return None

    def _note(self, node: Any, name: str, details: dict[str, Any]) -> None:
        if name == "logstart":
            self.start(node, details["nodeid"], slot_of(node))
        elif name in ("logfinish", "runtest_protocol_complete"):
            self.finish(node)
        elif name in ("errordown", "workerfinished"):
            with self._lock:
                self._cut[node] = self._running.pop(node, None)
        self.alive()


def guard_replacement(dsession: Any, lost: Callable[[Any, BaseException], None]) -> None:
    """Make the replacement of a dead worker fit for guests.

    Nobody is booted when no test is left for it. A replacement that cannot be booted is reported by
    `lost(node, error)` and the other guests go on, where pytest-xdist by itself would end the whole run with
    a traceback.
    """
    clone = dsession._clone_node

    def replace(node: Any) -> Any:
        sched = dsession.sched
        if sched.collection is not None and not (sched.pending or _can_steal(sched)):
            return None
        try:
            return clone(node)
        except Exception as error:  # whatever a boot can raise: EOF, a bad interpreter, a full disk
            lost(node, error)
        if not dsession._active_nodes - {node}:
            dsession.shouldstop = "no guest left"
        elif sched.collection is None:
            # The start of the tests waits for this many collections.
            sched.numnodes -= 1
            if sched.node2collection and sched.collection_is_completed:
                sched.schedule()
        return None

    dsession._clone_node = replace


def _can_steal(sched: Any) -> bool:
    """Whether a worker has tests in its queue that another one could run: a scheduler leaves it two."""
    return any(len(pending) > 2 for pending in sched.node2pending.values())
