# SPDX-License-Identifier: GPL-2.0-only
"""The guest's first process: mounts, loads the test module, says what this kernel is, runs the worker.

It is the interpreter itself (the image puts "#!<interpreter> -I" on top), so nothing has to be compiled for
a target, and the worker is a fork of it with everything imported. Whatever goes wrong ends as one line on
the serial console:

    pnode-guest: {"state": "ready", ...}

Before the record come lines "pnode-machine: ...", what helpers/machine.py found in pieces of JSON text.

States: ready; nomodule (usable, but the test module did not load; "insmod" has the errno's name); noport
(no virtio console port, powered off); broken ("error" says why, powered off); then waiting (the worker, for
its host); and last of all over ("status" of the worker).
"""

import ctypes
import errno
import functools
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

CONFIG = "/pnode/config.json"
NODES = "/sys/devices/system/node"
DAX = "/sys/bus/dax/devices"
PORTS = "/sys/class/virtio-ports"

# type, where, needed: without the first three nothing works, the others exist as the kernel's configuration
# has them.
MOUNTS = (
    ("proc", "/proc", True),
    ("sysfs", "/sys", True),
    ("devtmpfs", "/dev", True),
    ("devpts", "/dev/pts", False),
    ("tmpfs", "/dev/shm", False),
    ("cgroup2", "/sys/fs/cgroup", False),
    ("debugfs", "/sys/kernel/debug", False),
    ("tracefs", "/sys/kernel/tracing", False),
    ("hugetlbfs", "/dev/hugepages", False),
)

FINIT_MODULE = 313  # x86-64
POWER_OFF = 0x4321FEDC
# One record of /dev/kmsg holds a bit less than 1024 bytes, else the write is EINVAL.
RECORD_BYTES = 940
# The port is announced by a message from the host after the driver is bound: give it this long.
PORT_SECONDS = 3.0
# Of the attendant, should it end: many for tests that kill everything, not so many that one which cannot run
# keeps the machine busy.
RESTARTS = 50

libc = ctypes.CDLL(None, use_errno=True)


def name_of(number: int) -> str:
    return errno.errorcode.get(number, str(number))


def read(path: str, default: str = "") -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return default


def mount_all() -> None:
    for kind, where, needed in MOUNTS:
        try:
            os.makedirs(where, exist_ok=True)
        except OSError:
            continue
        if libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None) and needed:
            raise OSError(ctypes.get_errno(), f"mount {kind}")


def say(record: dict[str, Any]) -> None:
    """Put one record on the kernel log, which the serial console shows."""
    text = json.dumps(record, separators=(", ", ": "))
    if len(text) > RECORD_BYTES and "dax" in record:
        text = json.dumps({key: value for key, value in record.items() if key != "dax"})
    with open("/dev/kmsg", "wb", buffering=0) as log:
        log.write(f"<5>pnode-guest: {text[:RECORD_BYTES]}\n".encode())


def say_machine(found: dict[str, Any]) -> None:
    """Put what the machine is on the kernel log, in as many lines as it takes."""
    text = json.dumps(found, separators=(",", ":"))
    with open("/dev/kmsg", "wb", buffering=0) as log:
        for at in range(0, len(text), RECORD_BYTES):
            log.write(f"<5>pnode-machine: {text[at : at + RECORD_BYTES]}\n".encode())


def power_off() -> NoReturn:
    libc.reboot(POWER_OFF)
    time.sleep(5)
    os._exit(1)  # the first process going away is a panic, which ends QEMU as well


def load_module(path: str | None) -> str | None:
    """None when loaded, else the errno's name, or "absent"."""
    if not path or not os.path.exists(path):
        return "absent"
    module = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.syscall(FINIT_MODULE, module, b"", 0):
            return name_of(ctypes.get_errno())
        return None
    finally:
        os.close(module)


def preload(modules: list[str], present: list[str]) -> None:
    """Import what each worker needs, and look for what pytest wants to import itself. What is missing
    raises: the image is wrong, and xdist would only see workers that die.
    """
    for name in modules:
        importlib.import_module(name)
    for name in present:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"no module {name}")


def dialect() -> tuple[str | None, list[str]]:
    """The kernel's dialect as the suite sees it, and what it shows of it; an image may be without the
    suite.
    """
    try:
        from helpers.dialect import detect_dialect, signs
    except ImportError:
        return None, []
    return detect_dialect(), signs()


def find_port(name: str) -> str | None:
    """The device of the virtio port with this name, or None. Port numbers depend on the PCI layout, names
    do not.
    """
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            ports = os.listdir(PORTS)
        except OSError:
            ports = []
        for port in ports:
            if read(f"{PORTS}/{port}/name") == name:
                return f"/dev/{port}"
        if not os.path.isdir("/sys/bus/virtio/drivers/virtio_console") or time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def uptime() -> float:
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 2)


def dax_devices() -> list[list[Any]]:
    try:
        names = sorted(os.listdir(DAX))
    except OSError:
        return []
    return [
        [name, int(read(f"{DAX}/{name}/target_node", "-1")), int(read(f"{DAX}/{name}/size", "0"))]
        for name in names
    ]


def machine() -> dict[str, Any] | None:
    """What this machine is; None in an image without the suite."""
    try:
        from helpers.machine import told
    except ImportError:
        return None
    return told()


def describe(insmod: str | None, port: str | None, started: float) -> dict[str, Any]:
    work_ms, factor = importlib.import_module("guest_attendant").measure()
    spoken, shown = dialect()
    state = "noport" if port is None else "nomodule" if insmod not in (None, "absent") else "ready"
    return {
        "state": state,
        "release": os.uname().release,
        "has_private_memory": os.path.exists(f"{NODES}/has_private_memory"),
        "dialect": spoken,
        "signs": shown,
        "insmod": insmod,
        "has_memory": read(f"{NODES}/has_memory"),
        "possible": read(f"{NODES}/possible"),
        "cpus": os.sysconf("SC_NPROCESSORS_CONF"),  # not all need be online (guest_cpus.py)
        "memory_kb": int(read("/proc/meminfo").split()[1]),
        "work_ms": work_ms,
        "pace": factor,
        "uptime": {"init": started, "ready": uptime()},
        "dax": dax_devices(),
    }


def attendant(name: str) -> Callable[[], int] | None:
    """What starts the process that tells the host how the guest is; None in a guest without its port."""
    device = find_port(name)
    if device is None:
        return None
    return lambda: start(importlib.import_module("guest_attendant").attend, device)


def start(body: Callable[..., None], *arguments: Any) -> int:
    """Fork and run `body` in the child; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        body(*arguments)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def wait_for(child: int, again: Callable[[], int] | None = None) -> str:
    """Reap everything until `child` ends; returns its status in words.

    `again` starts the attendant, and once more whenever that ends: a test can kill it.
    """
    beside, left = again() if again else 0, RESTARTS
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == beside and again and left:
            beside, left = again(), left - 1
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return f"exit {code}" if code >= 0 else signal.Signals(-code).name


def main() -> None:
    started = uptime()
    mount_all()
    with open(CONFIG) as file:
        config = json.load(file)
    os.environ.update(config["env"])
    sys.path[:0] = [config["repository"], "/pnode"]
    sys.dont_write_bytecode = True
    insmod = load_module(config["module"])
    preload(config["preload"], config["present"])
    size = [
        word.partition("=")[2] for word in read("/proc/cmdline").split() if word.startswith("pnode.shell=")
    ]
    port = "shell" if size else find_port(config["port"])
    found = machine()
    if found is not None:
        say_machine(found)
    record = describe(insmod, port, started)
    say(record)
    os.environ["PNODE_PACE"] = str(record["pace"])
    if port is None:
        return
    if size:
        child = start(importlib.import_module("guest_shell").shell, size[0], record)
        again = None
    else:
        worker = importlib.import_module("guest_worker")
        waiting = functools.partial(say, {"state": "waiting"})
        child = start(worker.work, port, config["hello"], config["repository"], waiting)
        again = attendant(config["watch"])
    status = wait_for(child, again)
    say({"state": "over", "status": status})


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:
        try:
            say({"state": "broken", "error": repr(error)[:600]})
        except OSError:
            print(f"pnode-guest: {error!r}", file=sys.stderr)
    power_off()
