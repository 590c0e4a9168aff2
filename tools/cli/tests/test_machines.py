# SPDX-License-Identifier: GPL-2.0-only
"""Machines by ssh: a real sshd on loopback, with keys of its own. What is lent there only plays a machine
with private nodes, except where it says what it really is."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.cli import machines
from tools.errors import UserError
from tools.paths import ROOT
from tools.report.events import FILE, read

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
PLAYED = """#!/bin/sh
# An interpreter on a machine that has private nodes, as far as the other side can see.
export PNODE_LAB={lab}
case "$*" in
*tools.cli.lend*)
    {python} -c 'import json
boot = open("/proc/sys/kernel/random/boot_id").read().strip()
from tools.cli.version import suite_version
kernel = {{"release": "6.12.0", "version": "{version}"}}
print(json.dumps({{"suite": suite_version(), "release": "6.12.0", "kernel": kernel, "dialect": "v4",
                  "environment": {{"PNODE_TOPOLOGY": "here"}},
                  "machine": {{"error": "played"}}, "pace": 1.0, "boot_id": boot}}), flush=True)'
    echo $$ >{lab}/lease
    exec cat >/dev/null ;;
*) exec {python} "$@" ;;
esac
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """ssh_config files `good`, `wrong` (key) and `dead` (nobody listens), all with a host `lab`."""
    if SSHD is None or os.geteuid() != 0:
        pytest.skip("no sshd, or not root")
    home = tmp_path_factory.mktemp("ssh")
    for name in ("host", "key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    shutil.copy(home / "key.pub", home / "authorized")
    port = free_port()
    (home / "known").write_text(f"[127.0.0.1]:{port} {(home / 'host.pub').read_text()}")
    for name, key, at in (("good", "key", port), ("wrong", "other", port), ("dead", "key", free_port())):
        (home / name).write_text(
            f"Host lab\n HostName 127.0.0.1\n Port {at}\n User root\n IdentityFile {home / key}\n"
            f" IdentitiesOnly yes\n UserKnownHostsFile {home / 'known'}\n"
        )
    options = [f"Port={port}", "ListenAddress=127.0.0.1", f"HostKey={home / 'host'}", "PidFile=none",
               f"AuthorizedKeysFile={home / 'authorized'}", "StrictModes=no", "UsePAM=no",
               "PasswordAuthentication=no", "KbdInteractiveAuthentication=no"]  # fmt: skip
    privilege = Path("/run/sshd")
    made = not privilege.exists()
    privilege.mkdir(exist_ok=True)
    words = [SSHD, "-D", "-e", "-f", "/dev/null", *(word for option in options for word in ("-o", option))]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while subprocess.run(["ssh", "-F", home / "good", "lab", "true"], stderr=subprocess.DEVNULL).returncode:
        assert time.monotonic() < until, "sshd does not answer"
        time.sleep(0.1)
    yield home
    server.terminate()
    server.wait()
    if made:
        privilege.rmdir()


def played(directory: Path, version: str = "6.12.0 #1") -> str:
    directory.mkdir(parents=True)
    path = directory / "python"
    path.write_text(PLAYED.format(lab=directory, python=sys.executable, version=version))
    path.chmod(0o755)
    return str(path)


def run(tmp_path: Path, specs: list[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [
        sys.executable,
        "-P",
        ROOT / "tools/cli/__main__.py",
        "run",
        "--here",
        "--output",
        tmp_path / "runs",
    ]
    argv += [word for spec in specs for word in ("--tx", spec)] + list(arguments)
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("good", "has no private memory nodes"),
        ("wrong", "Permission denied (publickey)"),
        ("dead", "Connection refused"),
    ],
)
def test_a_machine_that_cannot_be_had_is_one_line(lab: Path, tmp_path: Path, config: str, told: str) -> None:
    done = run(tmp_path, [f"ssh=lab//ssh_config={lab / config}"])
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "waiting for" not in line]
    assert line.startswith("pnode: --tx ssh=lab: ")
    assert told in line
    assert done.stdout == ""


def test_one_machine_of_two_that_is_missing_stops_the_run(lab: Path, tmp_path: Path) -> None:
    good = f"ssh=lab//python={played(tmp_path / 'a')}//ssh_config={lab / 'good'}"
    done = run(tmp_path, [good, f"ssh=lab//ssh_config={lab / 'dead'}"])
    assert (done.returncode, "Connection refused" in done.stderr) == (2, True)


def test_tests_are_shared_and_one_that_ends_its_worker_does_not_end_the_run(
    lab: Path, tmp_path: Path
) -> None:
    config = f"ssh_config={lab / 'good'}"
    specs = [f"ssh=lab//python={played(tmp_path / name)}//{config}" for name in "ab"]
    done = run(tmp_path, specs, "-k", "not loses", "--", "tools/cli/tests/lab.py")
    assert done.returncode == 1, done.stderr
    (record,) = (tmp_path / "runs").glob(f"*/{FILE}")
    tests = [event for event in read(record).events if event["event"] == "test"]
    assert {event["slot"] for event in tests} == {0, 1}
    outcomes = {event["nodeid"].partition("::")[2]: (event["outcome"], event["kind"]) for event in tests}
    assert outcomes.pop("test_ends_its_worker") == ("FAIL", "guest-lost")
    assert outcomes == {f"test_runs[{number}]": ("PASS", None) for number in range(30)}


def test_a_machine_that_goes_is_not_asked_again_and_the_others_go_on(lab: Path, tmp_path: Path) -> None:
    config = f"ssh_config={lab / 'good'}"
    specs = [f"ssh=lab//python={played(tmp_path / name)}//{config}" for name in "ab"]
    done = run(tmp_path, specs, "-k", "not ends", "--", "tools/cli/tests/lab.py")
    assert done.returncode == 1, done.stderr
    (record,) = (tmp_path / "runs").glob(f"*/{FILE}")
    events = read(record).events
    outcomes = [event["outcome"] for event in events if event["event"] == "test"]
    assert sorted(outcomes) == ["FAIL", *["PASS"] * 30]
    (problem,) = [event["message"] for event in events if event["event"] == "problem"]
    assert "could not be replaced" in problem


def test_a_shell_that_talks_is_told(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "talks").write_text("#!/bin/sh\necho Welcome!\nsleep 60\n")
    (tmp_path / "talks").chmod(0o755)
    done = run(tmp_path, [f"ssh=lab//python={tmp_path / 'talks'}//ssh_config={lab / 'good'}"])
    assert done.returncode == 2
    assert "it says 'Welcome!' before anything else" in done.stderr


def test_machines_with_two_kernels_are_refused(lab: Path, tmp_path: Path) -> None:
    config = f"ssh_config={lab / 'good'}"
    specs = [f"ssh=lab//python={played(tmp_path / v, f'6.12.0 #{v}')}//{config}" for v in "12"]
    done = run(tmp_path, specs)
    assert done.returncode == 2
    assert done.stderr.endswith("it runs 6.12.0 #2, lab 6.12.0 #1; a run certifies one kernel\n")


@pytest.mark.parametrize("text", ["popen", "ssh=", "ssh=a//chdir=/x", "ssh=a//ssh=b", "python=/x", "ssh= "])
def test_what_is_no_machine(text: str) -> None:
    with pytest.raises(UserError, match=r"the form"):
        machines.parse(text)


def test_a_machine_as_ssh_takes_it() -> None:
    words = machines.parse("ssh=-p 2222 root@lab1//ssh_config=/x").ssh()
    assert words[-5:] == ["-F", "/x", "-p", "2222", "root@lab1"]
    assert "BatchMode=yes" in words
