# SPDX-License-Identifier: GPL-2.0-only
"""Options of run, what they exclude, and what is said against a kernel."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.cli import here, run, rundir, session, subject
from tools.cli import main as cli
from tools.cli.certify import DEADLINE, Request
from tools.cli.here import Wish
from tools.errors import UserError
from tools.guest import topology
from tools.kernel.tests.test_image import bzimage
from tools.paths import ROOT


def parse(*words: str) -> Request:
    _, args = cli.parse(["run", *words])
    return run.request(args, ["run", *words])


def test_defaults() -> None:
    assert parse() == Request(deadline=DEADLINE, argv=("run",))


def test_all_options() -> None:
    words = "--kernel K --build B --topology cxl --topology fast --topology cxl --guests 3 --deadline 9"
    found = parse(
        *words.split(), "-k", "a or b", "-m", "core", "--req", "ISO", "--req", "DSC-01", "--", "-x", "--", "p"
    )
    assert found.kernel == Path("K")
    assert found.build == Path("B")
    assert found.topologies == ("cxl", "fast")
    assert (found.guests, found.deadline) == (3, 9)
    assert found.requirements == ("ISO", "DSC-01")
    expected = ("-k", "a or b", "-m", "core", "--req", "ISO", "--req", "DSC-01", "-x", "--", "p")
    assert found.selection == expected


def test_time_of_the_stress_chapter_moves_the_deadline_of_tests() -> None:
    found = parse("--stress-seconds", "3600", "--stress-seed", "7")
    assert found.selection == ("--stress-seconds=3600.0", "--stress-seed=7")
    assert found.deadline == DEADLINE + 253
    scene = "seed=1 seconds=25 flags=0x3 acts=faults"
    found = parse("--stress-scene", scene)
    assert found.selection == (f"--stress-scene={scene}",)
    assert found.deadline == DEADLINE + 20


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--here", "--kernel", "K"], "--kernel is for guests"),
        (["--here", "--topology", "fast"], "--topology is for guests"),
        (["--here", "--every-cpu"], "--every-cpu is for guests"),
        (["--here", "--steal", "20"], "--steal is for guests"),
        (["--steal", "1001"], "--steal 1001: at most 1000 ms"),
        (["--allow-disruptive"], "is for --here"),
        (["--dax", "dax0.0"], "--dax is for --here"),
        (["--plan"], "--plan is for --here"),
        (["--here", "--tx", "ssh=a", "--plan"], "--plan is for one machine"),
        (["--here", "--dax", "dax0.0", "--node", "1"], "for a driver's own"),
    ],
)
def test_options_that_exclude_each_other(words: Sequence[str], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        parse(*words)


def test_options_of_a_run_on_this_machine() -> None:
    found = parse("--here", "--dax", "dax0.0", "--dax", "region1", "--allow-disruptive", "--module", "M")
    assert found.wish == Wish(dax=("dax0.0", "region1"), module=Path("M"), allow_disruptive=True)
    assert parse("--here", "--node", "3", "--profile", "P").wish == Wish(node=3, profile=Path("P"))


def test_a_module_of_another_kernel(tmp_path: Path) -> None:
    path = tmp_path / "pnode_test.ko"
    with pytest.raises(UserError, match="No such file"):
        here.require_module(path, "6.12.117-pnode")
    path.write_bytes(b"no module")
    with pytest.raises(UserError, match="not a kernel module"):
        here.require_module(path, "6.12.117-pnode")
    path.write_bytes(b"x\0vermagic=6.12.117-pnode SMP mod_unload \0")
    here.require_module(path, "6.12.117-pnode")
    with pytest.raises(UserError, match=r"is for 6.12.117-pnode, this machine runs 6.12.118"):
        here.require_module(path, "6.12.118")


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--stress-seconds", "5"],
        ["run", "--guests", "none"],
        ["run", "--topolog", "fast"],
        ["run", "stray"],
        ["list", "--", "-x"],
    ],
)
def test_bad_options(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.parse(words)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A build directory with an image of the same release."""
    for name, text in {
        "Makefile": "",
        ".config": "",
        "Module.symvers": "",
        "include/generated/utsrelease.h": '#define UTS_RELEASE "6.12.117-pnode"\n',
        "include/linux/node_private.h": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    image = tmp_path / subject.BUILT_IMAGE
    image.parent.mkdir(parents=True)
    image.write_bytes(bzimage())
    return tmp_path


def test_build_directory_alone_means_its_image(kernel: Path) -> None:
    found = subject.check_paths(None, kernel)
    assert found is not None
    assert found.image == kernel / subject.BUILT_IMAGE
    assert found.release == "6.12.117-pnode"
    assert subject.check_paths(None, None) is None


def test_image_and_directory_of_two_kernels(kernel: Path) -> None:
    (kernel / "include/generated/utsrelease.h").write_text('#define UTS_RELEASE "6.1.0-other"\n')
    with pytest.raises(UserError, match=r"--kernel is 6.12.117-pnode, --build .* is for 6.1.0-other"):
        subject.check_paths(kernel / subject.BUILT_IMAGE, kernel)


def test_image_alone_cannot_have_a_module(kernel: Path) -> None:
    found = subject.check_paths(kernel / subject.BUILT_IMAGE, None)
    assert found is not None
    assert found.build_dir is None
    with pytest.raises(UserError, match="without --build"):
        found.module()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"release": "6.1.0", "dialect": "none"}, r"6\.1\.0 has no private memory nodes"),
        (
            {"release": "7.1", "dialect": "d1", "signs": ["has_common_memory"]},
            r"7\.1 speaks dialect d1 \(.*has_common_memory.*not certified yet; this suite certifies v4$",
        ),
        (
            {"release": "7.2", "dialect": "unknown", "signs": ["has_tiered_memory"]},
            r"7\.2 speaks a dialect unknown to this suite \(it has has_tiered_memory\)",
        ),
        (
            {"release": "6.9", "dialect": "v4", "insmod": "ENOEXEC"},
            r"does not load the test module \(ENOEXEC\)",
        ),
    ],
)
def test_unfit_kernels(record: dict[str, object], reason: str) -> None:
    with pytest.raises(session.UnfitKernel, match=reason):
        session.check_record(record)


@pytest.mark.parametrize("insmod", [None, "absent"])
def test_fit_kernel(insmod: str | None) -> None:
    session.check_record({"release": "6.12", "dialect": "v4", "insmod": insmod})


@pytest.mark.parametrize(
    ("free_gib", "cores", "guests"), [(64, 2, 2), (64, 16, 16), (4, 16, 1), (0, 2, 1), (12, 16, 3)]
)
def test_default_number_of_guests(
    monkeypatch: pytest.MonkeyPatch, free_gib: int, cores: int, guests: int
) -> None:
    class Memory:
        available = free_gib << 30

    monkeypatch.setattr(session.psutil, "virtual_memory", Memory)
    assert session.default_guests(topology.load("fast"), range(cores)) == guests


def test_run_directory_without_results_goes(tmp_path: Path) -> None:
    with rundir.new(tmp_path / "out") as empty:
        assert empty.is_dir()
    assert not empty.exists()
    with rundir.new(tmp_path / "out") as used:
        (used / "results.jsonl").touch()
    assert used.is_dir()
    assert used.parent == tmp_path / "out"


def test_run_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=f"cannot write results to {tmp_path}/file/"),
        rundir.new(tmp_path / "file"),
    ):
        pass


def test_full_disk_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "NEEDED", 1 << 60)
    with (
        pytest.raises(UserError, match=f"cannot write results to {tmp_path}/.* MiB are free"),
        rundir.new(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_a_size_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir.shutil, "disk_usage", lambda _path: SimpleNamespace(total=0, free=0))
    with rundir.new(tmp_path) as used:
        assert used.is_dir()


def test_session_leaves_directory_and_environment_as_they_were(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, str | None] = {}

    def fake_pytest(_words: list[str], plugins: list[object]) -> int:
        seen["cwd"] = str(Path.cwd())
        seen["topology"] = session.os.environ.get("PNODE_TOPOLOGY")
        seen["addopts"] = session.os.environ.get("PYTEST_ADDOPTS")
        return 0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--foreign")
    monkeypatch.setattr(session.pytest, "main", fake_pytest)
    assert session.session([], [object()], {"PNODE_TOPOLOGY": "fast"}) == 0
    assert seen == {"cwd": str(ROOT), "topology": "fast", "addopts": None}
    assert Path.cwd() == tmp_path
    assert session.os.environ["PYTEST_ADDOPTS"] == "--foreign"
    assert "PNODE_TOPOLOGY" not in session.os.environ
