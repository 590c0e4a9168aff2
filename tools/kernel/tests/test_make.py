# SPDX-License-Identifier: GPL-2.0-only
"""make: steps counted, first error found, nothing of the user's shell let in."""

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
