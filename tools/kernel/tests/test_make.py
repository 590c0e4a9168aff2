# SPDX-License-Identifier: GPL-2.0-only
"""make: steps counted, first error found, nothing of the user's shell let in."""

import subprocess
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import make


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(directory: Path, makefile: str, **kwargs: object) -> tuple[list[str], list[str]]:
    (directory / "Makefile").write_text(makefile)
    steps: list[str] = []
    warnings = make.make([], what="building", cwd=directory, log=directory / "log", step=steps.append)
    return steps, warnings


def test_steps_and_warnings(tmp_path: Path) -> None:
    steps, warnings = run(
        tmp_path,
        "all:\n\t@echo '  CC      mm/page.o'\n\t@echo '  LD [M]  a.ko'\n\t@echo 'x.c:1:2: warning: w'\n",
    )
    assert steps == ["CC mm/page.o", "LD [M] a.ko"]
    assert warnings == ["x.c:1:2: warning: w"]
    assert "CC      mm/page.o" in (tmp_path / "log").read_text()


def test_first_error_and_log_are_named(tmp_path: Path) -> None:
    text = "all:\n\t@echo 'a.c:3:1: error: first'; echo 'a.c:9:1: error: second'; false\n"
    with pytest.raises(UserError, match=rf"building failed: a.c:3:1: error: first \(log: {tmp_path}/log\)"):
        run(tmp_path, text)


def test_full_disk_is_the_first_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No space left on device"):
        run(tmp_path, "all:\n\t@echo 'as: x.o: No space left on device'; false\n")


def test_environment_of_the_user_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARCH", "MAKEFLAGS", "KBUILD_OUTPUT", "LOCALVERSION", "V", "O"):
        monkeypatch.setenv(name, "foreign")
    env = make.environment({"LOCALVERSION": "-pnode"})
    assert env["LOCALVERSION"] == "-pnode"
    assert "foreign" not in env.values()
    assert env["PATH"]


@pytest.fixture
def compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """gcc and ccache that say how they were called."""
    for name in ("gcc", "ccache"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "{name} depend=$CCACHE_DEPEND $*"\ncat\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def compiled(directory: Path, *arguments: str) -> str:
    words = [make.COMPILE, *arguments]
    return subprocess.run(
        words, input="fed", capture_output=True, text=True, check=True, cwd=directory
    ).stdout


def test_objects_come_from_ccache(compilers: Path) -> None:
    (compilers / "page.c").write_text("int page;\n")
    assert make.compiler_words() == [f"CC={make.COMPILE}", f"HOSTCC={make.COMPILE}"]
    assert compiled(compilers, "-c", "page.c") == "ccache depend=1 gcc -c page.c\nfed"


def test_what_an_assembler_includes_is_unknown_to_ccache(compilers: Path) -> None:
    (compilers / "piggy.S").write_text('.incbin "vmlinux.bin.gz"\n')
    assert compiled(compilers, "-c", "piggy.S") == "gcc depend= -c piggy.S\nfed"


def test_a_source_that_is_piped_is_left_to_the_compiler(compilers: Path) -> None:
    assert compiled(compilers, "-x", "c", "-") == "ccache depend=1 gcc -x c -\nfed"


def test_without_ccache_make_finds_its_own_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make.shutil, "which", lambda name: None)
    assert make.compiler_words() == []


def test_a_path_that_make_would_split_is_not_given_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(make, "COMPILE", Path("/a clone/tools/kernel/compile"))
    assert make.compiler_words() == []
