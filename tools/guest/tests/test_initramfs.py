# SPDX-License-Identifier: GPL-2.0-only
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.guest import contents, initramfs, layers
from tools.guest.cpio import Archive
from tools.guest.errors import GuestError
from tools.guest.tests.unpack import extract, members


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., initramfs.Image]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    def make(repository: Path, **more: dict[str, Path]) -> initramfs.Image:
        return initramfs.build(initramfs.Request(repository, **more))

    return make


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, content in {
        "selftests/test_x.py": "def test_x():\n    assert 1 == 1\n",
        "selftests/catalogue/iso.toml": "",
        "helpers/nodes.py": "X = 1\n",
        "helpers/tests/test_nodes.py": "",
        "helpers/testmod/pnode_test.h": "enum { A };\n",
        "helpers/testmod/main.o": "",
        "helpers/broken.py": "def (\n",
        "tools/secret.py": "",
        "conftest.py": "",
        "pyproject.toml": "",
        "README.md": "",
    }.items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "repo"


def test_runtime_runs_in_its_own_root(
    build: Callable[..., initramfs.Image], repository: Path, tmp_path: Path
) -> None:
    if os.geteuid():
        pytest.skip("chroot needs root")
    image = build(repository)
    root = tmp_path / "root"
    root.mkdir()
    extract(image.path.read_bytes(), root)
    code = (
        "import sys, pytest, xdist.remote, execnet.gateway_base, cffi, psutil, pytest_timeout, ctypes;"
        "import importlib.metadata as m; print(sys.prefix); print(sys.executable);"
        "print(sorted(e.name for e in m.entry_points(group='pytest11')))"
    )
    done = subprocess.run(
        ["chroot", str(root), sys.executable, "-I", "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    prefix, executable, plugins = done.stdout.splitlines()
    assert (prefix, executable) == (sys.prefix, sys.executable)
    assert "timeout" in plugins


def test_the_suite_lies_where_it_lies_on_the_host(
    build: Callable[..., initramfs.Image], repository: Path
) -> None:
    found = {member.path for member in members(build(repository).path.read_bytes())}
    here = str(repository).removeprefix("/")
    suite = {path.removeprefix(here + "/") for path in found if path.startswith(here + "/")}
    sources = {path for path in suite if "__pycache__" not in path and "." in path}
    assert sources == {
        "selftests/test_x.py",
        "selftests/catalogue/iso.toml",
        "helpers/nodes.py",
        "helpers/testmod/pnode_test.h",
        "helpers/broken.py",
        "conftest.py",
        "pyproject.toml",
    }
    assert {"init", "dev/console", "proc", "sys", "tmp"} <= found


def test_an_image_is_built_once_and_the_runtime_is_shared(
    build: Callable[..., initramfs.Image], repository: Path
) -> None:
    first = build(repository)
    again = build(repository)
    assert (again.path, again.cached) == (first.path, True)
    (repository / "selftests/test_x.py").write_text("def test_y(): pass\n")
    edited = build(repository)
    assert edited.path != first.path
    assert not edited.cached
    assert edited.runtime_bytes == first.runtime_bytes
    assert edited.suite_bytes < first.runtime_bytes // 10


def test_mode_content_and_target_of_extra_files_count(
    build: Callable[..., initramfs.Image], repository: Path, tmp_path: Path
) -> None:
    module = tmp_path / "m.ko"
    module.write_bytes(b"one")
    paths = {build(repository, extra={"/pnode/m.ko": module}).path}
    module.write_bytes(b"two")
    paths.add(build(repository, extra={"/pnode/m.ko": module}).path)
    paths.add(build(repository, extra={"/pnode/n.ko": module}).path)
    paths.add(build(repository, entries={"/pnode/config.json": b"{}"}).path)
    assert len(paths) == 4


def test_a_cache_that_cannot_be_written_is_one_line(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(GuestError, match=r"cannot build the guest's initramfs: Not a directory") as caught:
        initramfs.build(initramfs.Request(repository))
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = contents.rules()
    wanted["packages"]["required"].append("no-such-distribution")
    monkeypatch.setattr(contents, "rules", lambda: wanted)
    with pytest.raises(GuestError, match=r"no-such-distribution .* -m pip install no-such-distribution"):
        contents.runtime()


def test_a_path_is_placed_with_its_links(tmp_path: Path) -> None:
    (tmp_path / "real/lib").mkdir(parents=True)
    (tmp_path / "real/lib/libx.so.1").write_text("x")
    (tmp_path / "real/lib/libx.so").symlink_to("libx.so.1")
    (tmp_path / "lib").symlink_to("real/lib")
    archive = Archive()
    real = layers.add_file(archive, tmp_path / "lib/libx.so")
    assert real == str(tmp_path / "real/lib/libx.so.1")
    entries = {entry.path: entry for entry in archive}
    assert entries[str(tmp_path / "lib")].data == b"real/lib"
    assert entries[str(tmp_path / "real/lib/libx.so")].data == b"libx.so.1"
    assert entries[real].data == b"x"


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        layers.place(Archive(), tmp_path / "a/x")


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("test/x.py", ["test"], True),
        ("a/test/x.py", ["*/test"], True),
        ("latest.py", ["test"], False),
        ("encodings/cp1252.py", ["encodings/cp[0-9][0-9][0-9][0-9]*"], True),
        ("encodings/cp437.py", ["encodings/cp[0-35-9]*", "encodings/cp42*"], False),
        ("helpers/testmod/x.c", ["*/testmod/*.c"], True),
    ],
)
def test_exclusion(path: str, patterns: list[str], expected: bool) -> None:
    assert contents.excluded(path, patterns) is expected


def test_old_images_go_but_not_those_in_use(tmp_path: Path) -> None:
    for number in range(initramfs.KEEP + 3):
        path = tmp_path / f"image-{number}"
        path.touch()
        os.utime(path, (number, number) if number else None)
    initramfs._prune(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == initramfs.KEEP
    assert "image-0" in left
