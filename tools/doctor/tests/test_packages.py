# SPDX-License-Identifier: GPL-2.0-only
"""The list of packages, the commands made of it, and what is missing."""

from pathlib import Path

import pytest

from tools.doctor import packages
from tools.errors import UserError


def test_own_list_is_well_formed() -> None:
    groups = packages.load()
    assert {"compiler", "kernel", "qemu", "qemu-cxl"} <= set(groups)
    for group in groups.values():
        assert group.apt, group.name
        assert group.why, group.name
        assert group.commands or group.headers, group.name


def test_unknown_key_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "packages.toml"
    path.write_text('[a]\nwhy = ""\napt = ["a"]\ncomands = ["a"]\n')
    with pytest.raises(TypeError):
        packages.load(path)


def test_one_command_a_suite() -> None:
    groups = packages.load()
    commands = packages.apt_commands([groups["compiler"], groups["qemu"], groups["qemu-cxl"]], "bookworm")
    install = ["apt-get", "install", "--yes", "--no-install-recommends"]
    assert commands == [
        [*install, "gcc", "libc6-dev", "make"],
        [*install, "-t", "bookworm-backports", "qemu-system-x86"],
    ]


def test_other_releases_need_no_backports() -> None:
    commands = packages.apt_commands([packages.load()["qemu"]], "trixie")
    assert commands == [["apt-get", "install", "--yes", "--no-install-recommends", "qemu-system-x86"]]


def test_probes_name_what_is_missing() -> None:
    group = packages.Group(
        "x",
        "tests",
        ("x",),
        commands=("sh", "no-such-command"),
        headers={"no_such_header.h": "", "stdio.h": ""},
    )
    assert packages.missing_probes(group) == ["no-such-command", "no_such_header.h"]


def test_header_that_does_not_link() -> None:
    assert packages.compiles("stdio.h", "")
    assert not packages.compiles("stdio.h", "-lno_such_library")


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    group = packages.Group("x", "tests need it", ("xpkg",), commands=("no-such-command",))
    monkeypatch.setattr(packages, "load", lambda: {"x": group})


@pytest.mark.usefixtures("lacking")
def test_without_root_the_command_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    command = "sudo apt-get install --yes --no-install-recommends xpkg"
    with pytest.raises(UserError, match=rf"missing: no-such-command \(tests need it\). Install: {command}$"):
        packages.require(["x"])


@pytest.mark.usefixtures("lacking")
def test_root_installs_and_says_when_that_did_not_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages.shutil, "which", lambda name: name if name == "apt-get" else None)
    monkeypatch.setattr(packages, "run", lambda argv, what, env: ran.append(argv))
    with pytest.raises(UserError, match="still missing after"):
        packages.require(["x"])
    assert ran == [
        ["apt-get", "-q", "update"],
        ["apt-get", "install", "--yes", "--no-install-recommends", "xpkg"],
    ]
    assert "installing what is missing: no-such-command" in capsys.readouterr().err


def test_suite_is_added_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SOURCES_DIR", tmp_path)
    packages.add_suite("nosuch-backports")
    packages.add_suite("nosuch-backports")
    (written,) = tmp_path.iterdir()
    assert "Suites: nosuch-backports\n" in written.read_text()
    other = tmp_path / "mine.list"
    other.write_text("deb http://deb.debian.org/debian other-backports main\n")
    packages.add_suite("other-backports")
    assert sorted(tmp_path.iterdir()) == sorted([written, other])


def test_advice_names_the_suite_to_apt_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SOURCES_DIR", tmp_path)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "codename", lambda: "bookworm")
    group = packages.Group("x", "tests", ("xpkg",), suite={"bookworm": "nosuch-backports"})
    install = "sudo apt-get install --yes --no-install-recommends -t nosuch-backports xpkg"
    line = "deb http://deb.debian.org/debian nosuch-backports main"
    add = f"echo '{line}' | sudo tee {tmp_path}/nosuch-backports.list && sudo apt-get update"
    assert packages.advice([group]) == f"{add} && {install}"
    (tmp_path / "mine.list").write_text(line)
    assert packages.advice([group]) == install
