# SPDX-License-Identifier: GPL-2.0-only
"""What the guest does that plays a machine, on orders of rehearsal.py: execnet runs this file there.

An order is a tuple, its name and its arguments; the answer is what the function of that name returns, or
{"error": text}.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Trees and files that show what a machine is and how it is set.
TREES = (
    "/sys/devices/system/node",
    "/sys/devices/system/memory",
    "/sys/bus/dax/devices",
    "/sys/bus/cxl/devices",
    "/sys/kernel/mm",
    "/sys/fs/cgroup",
    "/proc/sys/vm",
    "/proc/sys/kernel",
)
FILES = ("/proc/iomem", "/proc/modules", "/proc/swaps", "/proc/self/mountinfo")
LISTINGS = ("/sys/bus/dax/drivers", "/sys/module", "/run/pnode")
# Counters: they say what has happened, not how things are.
COUNTERS = {
    "vmstat", "numastat", "stats", "stat", "events", "pressure", "uevent", "power", "stat_refresh", "random",
    "ns_last_pid", "tainted", "pty", "cgroup.stat", "cpu.stat", "memory.stat", "cgroup.procs",
    "cgroup.threads", "memory_failure",
}  # fmt: skip
COUNTING = (
    "pages_",
    "full_scans",
    "general_profit",
    "memory.",
    "cpu.",
    "io.",
    "cgroup.",
    "stable_node_",
    "ksm_zero_",
)
JOURNAL = Path("/run/pnode/journal.json")
PRIVATE = Path("/sys/devices/system/node/has_private_memory")
# For one command; generous, since a busy host slows an emulated guest down tenfold.
SECONDS = 1200.0


def snapshot() -> dict[str, str]:
    """Everything, by path: contents of files, targets of links, "directory"."""
    found: dict[str, str] = {}
    for root in TREES:
        for path in sorted(Path(root).iterdir()) if os.path.isdir(root) else ():
            walk(path, str(path), found, resolve=root.startswith("/sys/bus"))
    for name in FILES:
        found[name] = contents(Path(name))
    for name in LISTINGS:
        if os.path.isdir(name):
            found[name] = " ".join(sorted(os.listdir(name)))
    found["/run/pnode"] = "journal.json" if JOURNAL.exists() else "no journal"
    return found


def walk(path: Path, name: str, found: dict[str, str], resolve: bool = False) -> None:
    if path.name in COUNTERS or path.name.startswith(COUNTING):
        return
    if path.is_symlink() and not resolve:
        found[name] = os.readlink(path)
    elif path.is_dir():
        found[name] = "directory"
        for below in sorted(path.iterdir()):
            walk(below, f"{name}/{below.name}", found)
    elif os.stat(path).st_mode & 0o400:
        found[name] = contents(path)


def contents(path: Path) -> str:
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        return f"errno {error.errno}"
    # How much is free changes with every breath.
    if path.name == "meminfo":
        return "".join(line for line in text.splitlines(True) if "MemTotal" in line)
    if path.name == "mountinfo":
        return "".join(sorted(line.partition(" ")[2] for line in text.splitlines(True)))
    return text


def load(path: str, parameters: str = "") -> None:
    from helpers import syscalls

    handle = os.open(path, os.O_RDONLY)
    try:
        syscalls.finit_module(handle, parameters)
    finally:
        os.close(handle)


def unload(name: str) -> None:
    from helpers import syscalls

    syscalls.delete_module(name)


def write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def bind(device: str, driver: str | None) -> list[int]:
    from helpers import dax

    one = dax.device(device)
    one.unbind()
    if driver:
        one.bind(driver)
    return [one.target_node, one.start, one.size]


def blocks(first: int, size: int, state: str) -> list[int]:
    """Have the blocks of a range online or offline; their numbers."""
    from helpers.memory_blocks import memory_blocks

    found = [one for one in memory_blocks() if first <= one.start < first + size]
    for one in found:
        if state == "offline" and one.state != "offline":
            one.offline()
        elif state != "offline":
            one.online(state)
    return [one.index for one in found]


def hold(path: str) -> int:
    """A process that has a file open. Its id."""
    return subprocess.Popen([sys.executable, "-c", f"import time; f = open({path!r}); time.sleep(600)"]).pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def pnode(words: list[str], stop: str | None = None) -> dict[str, Any]:
    """Run tools/pnode; `stop`, while a private node is there: "SIGINT" or "SIGKILL" to the runner, "both" to
    its watchdog and it. Exit status and output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PNODE_", "PYTEST_"))}
    output = Path("/tmp/output")
    os.makedirs("/tmp", exist_ok=True)
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, os.path.join(os.getcwd(), "tools/pnode"), *words],
            env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
    try:
        if stop:
            until(lambda: (JOURNAL.exists() and PRIVATE.read_text().strip()) or process.poll() is not None)
            if stop == "both":
                os.kill(watchdog(), signal.SIGKILL)
            os.kill(process.pid, signal.SIGINT if stop == "SIGINT" else signal.SIGKILL)
        status = process.wait(SECONDS)
        if stop == "SIGKILL":
            until(lambda: not JOURNAL.exists())
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    text = output.read_text(errors="replace")
    log = Path("/run/pnode/watchdog.log")
    told = log.read_text() if stop == "SIGKILL" and log.exists() else ""
    return {"status": status, "output": text, "watchdog": told, "seconds": time.monotonic() - began}


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {SECONDS:.0f} s")
        time.sleep(0.02)


def watchdog() -> int:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and b"tools.hardware.guard" in (process / "cmdline").read_bytes():
            return int(process.name)
    raise LookupError("no watchdog is running")


def serve(channel: Any) -> None:
    for order, *arguments in channel:
        try:
            channel.send({"answer": globals()[order](*arguments)})
        except Exception as error:
            channel.send({"error": f"{order}: {type(error).__name__}: {error}"})


if __name__ == "__channelexec__":
    serve(globals()["channel"])
