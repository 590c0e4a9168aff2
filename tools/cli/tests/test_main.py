# SPDX-License-Identifier: GPL-2.0-only
"""Every way of ending has its exit status, and bad usage is one line."""

import argparse
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.cli import main as cli
from tools.cli.exits import Exit, worst
from tools.errors import UserError
from tools.paths import ROOT


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def execute(_args: argparse.Namespace) -> int:
        raise error

    return execute


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals mean afterwards what they meant before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    fake = SimpleNamespace(configure=lambda parser: None, execute=lambda args: 0)
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: fake)
    return fake


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("no kernel"), Exit.CANNOT_RUN, "pnode: no kernel\n"),
        (KeyboardInterrupt(), Exit.INCOMPLETE, "pnode: interrupted\n"),
        (OSError(errno.ENOSPC, "x", "/a/b/c"), Exit.CANNOT_RUN, "pnode: no space left in /a/b (ENOSPC)"),
        (OSError(errno.EDQUOT, "x"), Exit.CANNOT_RUN, "pnode: no space left in the disk (EDQUOT)"),
        (OSError(errno.EIO, "no good", "/a/b"), Exit.CANNOT_RUN, "pnode: /a/b: EIO (no good)\n"),
        (OSError(errno.EIO, "x"), Exit.CANNOT_RUN, "Traceback"),
        (ValueError("bug"), Exit.CANNOT_RUN, "Traceback"),
    ],
)
def test_ways_of_ending(
    verb: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: Exit,
    line: str,
) -> None:
    verb.execute = raising(error)
    assert cli.main(["run"]) == status
    assert capsys.readouterr().err.startswith(line)


def test_sigterm_ends_as_an_interrupt_does(verb: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    def execute(_args: argparse.Namespace) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    verb.execute = execute
    assert cli.main(["run"]) == Exit.INCOMPLETE
    assert capsys.readouterr().err == "pnode: interrupted\n"


STEP = ["bisect", "ISO-02", "--step"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), 130),
        (UserError("no kernel"), 255),
        (OSError(errno.ENOSPC, "x", "/a/b/c"), 255),
        (ImportError("half a checkout"), 255),
        (SystemExit(2), 255),
    ],
)
@pytest.mark.parametrize("where", ["import", "parse", "execute"])
def test_a_step_that_did_not_judge_stops_git(
    monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException, status: int
) -> None:
    def at(place: str) -> Callable[..., SimpleNamespace]:
        def go(*_: object) -> SimpleNamespace:
            if where == place:
                raise error
            return SimpleNamespace(configure=at("parse"), execute=at("execute"))

        return go

    monkeypatch.setattr(cli.importlib, "import_module", at("import"))
    args = argparse.Namespace(verb="bisect", rest=[])
    monkeypatch.setattr(cli.OneLineParser, "parse_args", lambda *_: args)
    assert cli.main(STEP) == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_step_that_is_ended_while_it_imports(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(cli.importlib, "import_module", lambda _: os.kill(os.getpid(), number))
    before = signal.signal(number, signal.SIG_DFL)  # whoever runs this may be under nohup
    try:
        assert cli.main(STEP) == 130
    finally:
        signal.signal(number, before)


def test_bad_words_of_a_step_stop_git(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bisect", "--step", "--nonsense"]) == 255
    assert capsys.readouterr().err.startswith("pnode: ")
    with pytest.raises(SystemExit) as ended:
        cli.main([*STEP, "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize(("words", "status"), [(STEP, 255), (["bisect", "ISO-02"], 2), (["run"], 2)])
@pytest.mark.parametrize("program", ["pnode", "cli/__main__.py"])
def test_a_checkout_that_is_not_whole_gives_no_verdict(
    tmp_path: Path, program: str, words: list[str], status: int
) -> None:
    entry = tmp_path / "tools" / program
    entry.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "tools" / program, entry)
    done = subprocess.run([sys.executable, "-P", entry, *words], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr


def test_what_nohup_started_outlives_the_terminal(verb: SimpleNamespace) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    verb.execute = lambda _: os.kill(os.getpid(), signal.SIGHUP) or 0
    assert cli.main(["run"]) == 0
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert cli.main(["run"]) == Exit.INCOMPLETE


@pytest.mark.parametrize(
    "argv",
    [[], ["nonsense"], ["--nonsense"], ["kernel"], ["kernel", "build", "-j", "0"], ["doctor", "--jsn"]],
)
def test_bad_usage_is_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.parse(argv)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("pnode: ")
    assert len(error.splitlines()) == 1


def test_help_names_verbs_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.parse(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for name in cli.VERBS:
        assert f"\n  {name} " in text
    for status in Exit:
        assert f"\n  {int(status)}  " in text


@pytest.mark.parametrize("name", cli.VERBS)
def test_help_of_a_verb_has_its_own_statuses(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        cli.parse([name, "--help"])
    text = capsys.readouterr().out
    assert "\nexit status:\n  0  " in text
    assert ('"must" that was tested holds' in text) is (name in ("run", "report"))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([0, 1], 1), ([0, 3], 3), ([1, 3], 1), ([3, 2, 1], 2)],
)
def test_worst_of_several_parts(codes: list[int], expected: int) -> None:
    assert worst(codes) == expected


def test_entry_point_from_another_directory(tmp_path: os.PathLike[str]) -> None:
    argv = [sys.executable, "-P", ROOT / "tools/cli/__main__.py", "--help"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert "usage: pnode" in done.stdout


def test_a_missing_verb_is_all_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse([])
    assert ended.value.code == Exit.CANNOT_RUN
    assert "required: VERB (see" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["report", "--", "RUN"], "nothing can follow --"),
        (["certify", "--new-key", ""], "'': no name of a file"),
        (["certify", "RUN", "--key", "K", "--out", ""], "'': no name of a file"),
    ],
)
def test_words_that_cannot_be_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(words)
    assert ended.value.code == Exit.CANNOT_RUN
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (["--at", "C", "--drop"], 2, "--at has no use for --drop"),
        (["--at", "C", "--good", "B", "--trust-ends"], 2, "--at has no use for --good, --trust-ends"),
        (["--step", "--bad", "C"], 255, "--step has no use for --bad"),
    ],
)
def test_bisect_refuses_what_it_would_not_do(
    capsys: pytest.CaptureFixture[str], words: list[str], status: int, complaint: str
) -> None:
    assert cli.main(["bisect", "ISO-02", *words]) == status
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["list"], ["nonsense"]])
def test_a_signal_at_the_very_end_does_not_change_the_status(words: list[str]) -> None:
    program = str(ROOT / "tools/cli/__main__.py")
    told = "lambda: print(*(signal.getsignal(one).name for one in (1, 2, 15)), file=sys.stderr)"
    text = (
        f"import atexit, runpy, signal, sys; atexit.register({told}); sys.argv = {[program, *words]!r}; "
        f"runpy.run_path({program!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "SIG_IGN SIG_IGN SIG_IGN"
    assert done.returncode == (2 if words == ["nonsense"] else 0)
