# SPDX-License-Identifier: GPL-2.0-only
"""What a task does whose own policy is BIND to a private node. All of it runs in children."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers.constants import Mode
from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency
from helpers.testmod import Entry, TestModule
from selftests.mempolicy.placing import HUGE, PAGES, task_policy

TABLES = 4
#: Touches more than a page table's worth of memory, says so, and waits for the end of its input.
PROGRAM = "import sys; b = b'x' * {size}; print(6 * 7, flush=True); sys.stdin.read()"
PROGRAM_PAGES = 256


def page_tables(mod: TestModule, nid: int) -> list[tuple[int | None, int | None]]:
    """(node of the page, node of its page table) for pages so far apart that each has a table of its own."""
    with Mapping.anonymous(TABLES * HUGE) as memory:
        with task_policy(Mode.BIND, [nid]):
            for index in range(TABLES):
                memory.touch(first=index * HUGE, count=1)
        reports = [mod.pages(memory.page_addr(index * HUGE), 1)[0] for index in range(TABLES)]
        return [(report.nid, report.pt_nid) for report in reports]


def kernel_objects(mod: TestModule, nid: int, entry: Entry, options: dict[str, Any]) -> dict[int, int]:
    """Where objects of the kernel are that are made for such a task without a wish for a node."""
    with Mapping.anonymous(1) as memory, task_policy(Mode.BIND, [nid]):
        memory.touch()
        assert residency(memory).all_on(nid), f"the task's own memory: {residency(memory)}"
        with mod.alloc(entry, -1, gfp=mod.gfp.KERNEL, **options) as got:
            return dict(got.on_node)


def tasks() -> int:
    """How many have to live at once that not all of their kernel stacks are old ones: each CPU keeps two."""
    return 2 * (os.cpu_count() or 1) + 4


def _forked(memory: Mapping, seed: int, ends: tuple[int, int, int, int]) -> int:
    """A task with its own copy of the pages: says so by the first pipe, lives until the second is closed."""
    _answer, answers, order, orders = ends
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            os.close(orders)
            memory.touch(seed)
            memory.verify(seed)
            os.write(answers, b"1")
            os.close(answers)
            os.read(order, 1)
            os._exit(0)
        os._exit(1)
    return pid


def family(nid: int) -> Iterator[int]:
    """A parent and forked tasks, each with its own copy of some pages; yields how many have one."""
    with Mapping.anonymous(PAGES) as memory, task_policy(Mode.BIND, [nid]):
        memory.touch(1)
        ends = (*os.pipe(), *os.pipe())
        pids = [_forked(memory, seed, ends) for seed in range(2, 2 + tasks())]
        answer, answers, _order, orders = ends
        os.close(answers)
        with open(answer, "rb") as answered:
            assert len(answered.read()) == len(pids), "a forked task ended early"
        yield 1 + len(pids)
        os.close(orders)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
        memory.verify(1)


def program(nid: int) -> Iterator[tuple[int, str]]:
    """Another program, executed under the policy: yields its pid and what it printed."""
    code = PROGRAM.format(size=PROGRAM_PAGES * PAGE_SIZE)
    command = [sys.executable, "-I", "-S", "-c", code]
    with (
        task_policy(Mode.BIND, [nid]),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()
        process.stdin.close()
        assert process.wait() == 0


def digests(nid: int, old: Path, new: Path) -> tuple[str, str]:
    """Digests of a file that was there before and of one that the task writes, both as it reads them."""
    with Mapping.anonymous(1) as memory, task_policy(Mode.BIND, [nid]):
        memory.touch()
        assert residency(memory).all_on(nid), f"the task's own memory: {residency(memory)}"
        first = hashlib.sha256(old.read_bytes()).hexdigest()
        new.write_bytes(old.read_bytes())
        second = hashlib.sha256(new.read_bytes()).hexdigest()
        new.unlink()
    return first, second
