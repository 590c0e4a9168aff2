# SPDX-License-Identifier: GPL-2.0-only
"""Puts a machine back to what a journal says it was: at the end of a run, by its watchdog, or by `pnode
restore`."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from helpers import dax, paths, syscalls
from helpers.memory_blocks import MemoryBlock, memory_blocks
from helpers.outcome import errno_name
from helpers.testmod import TestModule
from helpers.wait import wait_until
from tools.hardware import journal, settings
from tools.hardware.journal import DIRECTORY, Journal, Taken

#: Seconds for killed processes to be gone, and for the module to give its memory back.
GONE, UNLOADED = 10.0, 60.0

Told = Callable[[str], None]


def mend(note: Journal, told: Told, directory: Path = DIRECTORY, *, seconds: float = UNLOADED) -> list[str]:
    """Undo everything; `told` gets a line for each thing that was not as before. Returns what could not be
    undone; the journal goes only when that is nothing."""
    wrong = [*end_leftovers(told, directory), *unload(note.module, told, seconds)]
    for one in note.taken:
        wrong += give_back(one, told)
    wrong += settings.restore(note.settings, told)
    if not wrong:
        journal.discard(directory)
    return wrong


def end_leftovers(told: Told, directory: Path = DIRECTORY) -> list[str]:
    """Kill what a run has left running: whoever has its lock."""
    left = journal.holders(directory=directory)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            told(f"process {pid} of the run killed")
    try:
        wait_until(lambda: not journal.holders(directory=directory), GONE, "processes of the run gone")
    except TimeoutError:
        return [f"process {pid} of the run does not end" for pid in journal.holders(directory=directory)]
    return []


def unload(module: str, told: Told, seconds: float) -> list[str]:
    """Unload the test module; memory that it has plugged goes first."""
    loaded = paths.SYS / "module" / module
    if not loaded.exists():
        return []
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError):  # opening it has the module try again what it could not unplug at its end
            TestModule.open().close()
        try:
            syscalls.delete_module(module)
            told(f"module {module} unloaded")
            return []
        except FileNotFoundError:
            return []
        except OSError as error:
            if time.monotonic() > deadline:
                reason = errno_name(error.errno or 0)
                return [
                    f"module {module} stays loaded ({reason}): memory that it has plugged is still in use"
                ]
        time.sleep(0.1)


def give_back(one: Taken, told: Told) -> list[str]:
    """Have a dax device with its driver again, and its memory blocks as they were."""
    try:
        device = dax.device(one.name)
    except (OSError, ValueError):
        return [f"{one.name} is gone"]
    wrong = []
    try:
        if device.driver != one.driver:
            if device.driver is not None:
                device.unbind()
            if one.driver is not None:
                device.bind(one.driver)
            told(f"{one.name} back with {one.driver or 'no driver'}")
        for block in _blocks(one):
            if block.state != one.blocks[str(block.index)]:
                block.offline()
                told(f"memory{block.index} offline")
    except OSError as error:
        wrong.append(f"{one.name} back with {one.driver}: {error}")
    return wrong


def _blocks(one: Taken) -> list[MemoryBlock]:
    return [block for block in memory_blocks() if str(block.index) in one.blocks]
