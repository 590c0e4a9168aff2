# SPDX-License-Identifier: GPL-2.0-only
import io
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.guest.cpio import Archive
from tools.guest.tests.unpack import members


def written(archive: Archive) -> bytes:
    out = io.BytesIO()
    assert archive.write(out) == len(out.getvalue())
    return out.getvalue()


def test_parents_come_before_their_contents() -> None:
    archive = Archive()
    archive.file("/a/b/c", b"x")
    archive.symlink("/a/l", "b/c")
    assert [entry.path for entry in archive] == ["/a", "/a/b", "/a/b/c", "/a/l"]


def test_is_deterministic_whatever_the_order() -> None:
    one, other = Archive(), Archive()
    one.file("/x", b"1")
    one.file("/y/z", b"2")
    other.file("/y/z", b"2")
    other.file("/x", b"1")
    assert written(one) == written(other)


def test_kinds_and_modes() -> None:
    archive = Archive()
    archive.directory("/tmp", 0o1777)
    archive.file("/bin/sh", b"#!", executable=True)
    archive.file("/tmp/data", b"12345")
    archive.symlink("/lib", "usr/lib")
    archive.char_device("/dev/null", 1, 3, 0o666)
    found = {member.path: member for member in members(written(archive))}
    assert found["tmp"].mode == stat.S_IFDIR | 0o1777
    assert found["bin/sh"].mode == stat.S_IFREG | 0o755
    assert (found["tmp/data"].mode, found["tmp/data"].data) == (stat.S_IFREG | 0o644, b"12345")
    assert (found["lib"].mode, found["lib"].data) == (stat.S_IFLNK | 0o777, b"usr/lib")
    assert (found["dev/null"].mode, found["dev/null"].device) == (stat.S_IFCHR | 0o666, (1, 3))


def test_adding_a_directory_again_keeps_the_first() -> None:
    archive = Archive()
    archive.directory("/tmp", 0o1777)
    archive.directory("/tmp")
    archive.file("/tmp/x", b"")
    assert next(iter(archive)).mode == stat.S_IFDIR | 0o1777


@pytest.mark.parametrize("path", ["relative", "/", "/a/../b", "/a/", "//a", ""])
def test_refuses_paths_that_are_not_absolute_and_normal(path: str) -> None:
    with pytest.raises(ValueError, match="absolute normal path"):
        Archive().file(path, b"")


def test_refuses_to_put_something_below_a_file_or_a_link() -> None:
    archive = Archive()
    archive.symlink("/lib", "usr/lib")
    with pytest.raises(ValueError, match="not a directory"):
        archive.file("/lib/libc.so", b"")


@given(
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=9).filter(lambda t: t.strip(".")), st.binary(max_size=40)
    )
)
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    archive = Archive()
    for name, data in files.items():
        archive.file(f"/{name}", data)
    assert {member.path: member.data for member in members(written(archive))} == files


def test_archives_can_follow_each_other_and_cpio_reads_them(tmp_path: Path) -> None:
    tool = shutil.which("cpio")
    if tool is None:
        pytest.skip("no cpio here to compare with")
    archive = Archive()
    archive.file("/one/file", b"abc")
    archive.symlink("/one/link", "file")
    data = written(archive)
    assert len(data) % 512 == 0
    assert [member.path for member in members(data + data)] == ["one", "one/file", "one/link"] * 2
    subprocess.run([tool, "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "one/link").read_text() == "abc"
