# SPDX-License-Identifier: GPL-2.0-only
"""Stands in for QEMU and its guest in unit tests: same files, same socket, same first words; no kernel.

fake_qemu.py ready|panic|noport|silent|refuse|chatter|stalled|stalled-once|worker|waiting
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time

PR_SET_PDEATHSIG = 1
READY = {"state": "ready", "release": "6.12.0-fake", "insmod": None}
PANIC = "[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n"


def say(text: str) -> None:
    with open("console.log", "a") as console:
        console.write(text)


def record(**values: object) -> None:
    say(f"[    2.0] pnode-guest: {json.dumps(values)}\n")


def worker() -> None:
    """A guest that becomes an xdist worker and "dies" with it."""
    server = socket.socket(socket.AF_UNIX)
    server.bind("worker.sock")
    server.listen()
    record(**READY)
    port, _ = server.accept()
    port.sendall(b"pnode-worker 1\n")
    stream = port.makefile("rb", buffering=0)
    setup = json.loads(stream.read(int(stream.read(8), 16)))
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ.update(setup["env"])
        os.chdir(setup["cwd"])
        for standard in (0, 1):
            os.dup2(port.fileno(), standard)
        sys.stdin = os.fdopen(0, closefd=False)
        exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 7:
        say(PANIC)
    else:
        record(state="over", status=f"exit {code}" if code >= 0 else "SIGKILL")


behaviour = sys.argv[1]
if behaviour == "refuse":
    sys.exit("qemu-system-x86_64: -machine q36: unsupported machine type")
if behaviour != "silent":
    say("[    0.0] Linux version 6.12.0-fake\n[    1.0] Run /init as init process\n")
if behaviour == "stalled-once":  # started in the folder of its boot
    behaviour = "stalled" if os.path.basename(os.getcwd()) == "boot0" else "ready"
if behaviour == "ready":
    say('[    1.9] pnode-machine: {"release":"6.12.0-fake","armed"\n[    1.9] pnode-machine: :[]}\n')
    record(**READY)
elif behaviour == "waiting":
    record(**READY, pace=1.0)
    record(state="waiting")
elif behaviour == "panic":
    say(PANIC)
elif behaviour == "noport":
    record(**{**READY, "state": "noport"})
elif behaviour == "worker":
    worker()
    sys.exit()
elif behaviour == "stalled":
    say("[   22.5] rcu: rcu_sched kthread timer wakeup didn't happen for 5251 jiffies! g-1175 f0x0\n")
elif behaviour == "chatter":
    while True:
        say("[    3.0] still here\n")
        time.sleep(0.05)
time.sleep(60)
