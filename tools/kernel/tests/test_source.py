# SPDX-License-Identifier: GPL-2.0-only
"""Finding, unpacking and patching, on a source tree of two files."""

import subprocess
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import source
from tools.progress import Silent

GOOD = """\
One concept.

--- a/mm/page.c
+++ b/mm/page.c
@@ -1,3 +1,3 @@
 one
-two
+2
 three
"""
MISFIT = GOOD.replace("-two", "-deux")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = tmp_path / "linux-source-6.12"
    (tree / "mm").mkdir(parents=True)
    (tree / "Kconfig").write_text("mainmenu\n")
    (tree / "mm/page.c").write_text("one\ntwo\nthree\n")
    path = tmp_path / "linux-6.12.9.tar.xz"
    subprocess.run(["tar", "-cJf", path, "-C", tmp_path, tree.name], check=True)
    return path


def patch_file(directory: Path, text: str, name: str = "0001-two.patch") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def test_archive_is_unpacked_once(archive: Path) -> None:
    tree = source.obtain("linux-source-6.12", Silent(), archive)
    assert tree.version == "linux-6.12.9"
    assert (tree.path / "mm/page.c").is_file()
    assert source.unpacked("linux-source-6.12") == tree
    archive.unlink()
    assert source.obtain("linux-source-6.12", Silent()) == tree
    assert [path.name for path in tree.path.parent.iterdir()] == [tree.path.name]


def test_patched_copy_leaves_the_tree_alone(archive: Path, tmp_path: Path) -> None:
    tree = source.obtain("linux-source-6.12", Silent(), archive)
    target = tmp_path / "patched"
    source.patched(tree, [patch_file(tmp_path, GOOD)], target)
    assert (target / "mm/page.c").read_text() == "one\n2\nthree\n"
    assert (tree.path / "mm/page.c").read_text() == "one\ntwo\nthree\n"
    assert (target / "Kconfig").samefile(tree.path / "Kconfig")


def test_another_point_release_still_applies(archive: Path, tmp_path: Path) -> None:
    tree = source.obtain("linux-source-6.12", Silent(), archive)
    (tree.path / "mm/page.c").write_text("zero\n" * 30 + "one\ntwo\nthree\n")
    source.patched(tree, [patch_file(tmp_path, GOOD)], tmp_path / "patched")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MISFIT, r"0001-two.patch does not apply to linux-6.12.9: mm/page.c, hunk 1 \(line 1\)"),
        (GOOD.replace("page.c", "none.c"), "a file it changes is not in the tree"),
        ("no patch at all\n", "applying 0001-two.patch failed"),
    ],
)
def test_patch_that_does_not_apply(archive: Path, tmp_path: Path, text: str, reason: str) -> None:
    tree = source.obtain("linux-source-6.12", Silent(), archive)
    with pytest.raises(UserError, match=reason):
        source.patched(tree, [patch_file(tmp_path, text)], tmp_path / "patched")


def test_patch_that_is_in_already(archive: Path, tmp_path: Path) -> None:
    tree = source.obtain("linux-source-6.12", Silent(), archive)
    twice = [patch_file(tmp_path, GOOD), patch_file(tmp_path, GOOD, "0002-two.patch")]
    with pytest.raises(UserError, match=r"0002-two.patch does not apply.*(in the source already|hunk 1)"):
        source.patched(tree, twice, tmp_path / "patched")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent.deb", "no such file"), ("broken.deb", "broken.deb"), ("other.tar", "other.tar")],
)
def test_bad_archives(archive: Path, tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name
    if name != "absent.deb":
        path.write_bytes(b"not an archive")
    with pytest.raises(UserError, match=reason) as caught:
        source.obtain("linux-source-6.12", Silent(), path)
    assert "\n" not in str(caught.value)
    assert source.unpacked("linux-source-6.12") is None


def test_archive_of_something_else(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "thing/dir").mkdir(parents=True)
    path = tmp_path / "thing.tar"
    subprocess.run(["tar", "-cf", path, "-C", tmp_path, "thing"], check=True)
    with pytest.raises(UserError, match="not a kernel source"):
        source.obtain("linux-source-6.12", Silent(), path)
    assert source.unpacked("linux-source-6.12") is None


def test_scratch_removes_what_a_crash_left(tmp_path: Path) -> None:
    left = tmp_path / "scratch/old"
    left.mkdir(parents=True)
    with source.Scratch(tmp_path / "scratch") as scratch:
        assert not left.exists()
        (scratch.path / "new").touch()
    assert not (tmp_path / "scratch").exists()
