# SPDX-License-Identifier: GPL-2.0-only
"""Build directories of other people, and the cache of the test module, with make(1) for a kernel."""

from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import module, tree

# Stands for kbuild: builds the .ko that M= asks for by copying the source.
MAKEFILE = """\
modules:
\t@echo "  CC [M]  pnode_test.o"
\t@! grep -n SYNTAX $(M)/pnode_test.c || { echo "pnode_test.c:1:1: error: bad"; false; }
\t@cp $(M)/pnode_test.c $(M)/pnode_test.ko
"""


@pytest.fixture
def build_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "kernel"
    for name, text in {
        "Makefile": MAKEFILE,
        ".config": "CONFIG_NUMA=y\n",
        "Module.symvers": "",
        "include/generated/utsrelease.h": '#define UTS_RELEASE "6.12.1-theirs"\n',
        "include/linux/node_private.h": "",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    root = tmp_path / "testmod"
    (root / "sub").mkdir(parents=True)
    (root / "Kbuild").write_text("obj-m := pnode_test.o\n")
    (root / "pnode_test.c").write_text("one")
    (root / "sub/part.h").write_text("part")
    return root


def test_built_once_per_input(build_dir: Path, sources: Path) -> None:
    first = module.build(build_dir, sources)
    assert first.read_text() == "one"
    stamp = first.stat().st_mtime_ns
    assert module.build(build_dir, sources) == first
    assert first.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("name", [".config", "Module.symvers", "include/linux/node_private.h", "vmlinux"])
def test_another_kernel_is_another_module(build_dir: Path, sources: Path, name: str) -> None:
    first = module.build(build_dir, sources)
    (build_dir / name).write_text("changed")
    assert module.build(build_dir, sources) != first


@pytest.mark.parametrize("name", ["pnode_test.c", "sub/part.h", "Kbuild"])
def test_other_sources_are_another_module(build_dir: Path, sources: Path, name: str) -> None:
    first = module.build(build_dir, sources)
    (sources / name).write_text("changed")
    assert module.build(build_dir, sources) != first


def test_leavings_of_a_build_in_place_do_not_count(build_dir: Path, sources: Path) -> None:
    first = module.build(build_dir, sources)
    for name in ("pnode_test.o", "pnode_test.mod.c", ".pnode_test.o.cmd", "README"):
        (sources / name).write_text("left")
    assert module.build(build_dir, sources) == first


def test_compiler_error_is_one_line_and_leaves_nothing(build_dir: Path, sources: Path) -> None:
    (sources / "pnode_test.c").write_text("SYNTAX")
    with pytest.raises(UserError, match=r"for 6.12.1-theirs failed: pnode_test.c:1:1: error: bad \(log: "):
        module.build(build_dir, sources)
    assert list((build_dir.parent / "cache/pnode-selftests/modules").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Makefile", "not a kernel build directory"),
        (".config", "not configured"),
        ("Module.symvers", "has not been built to the end"),
        ("include/generated/utsrelease.h", "has not been prepared"),
        ("include/linux/node_private.h", "does not have the series' API"),
    ],
)
def test_unfit_build_directory(build_dir: Path, sources: Path, name: str, reason: str) -> None:
    (build_dir / name).unlink()
    with pytest.raises(UserError, match=reason) as caught:
        module.build(build_dir, sources)
    assert "\n" not in str(caught.value)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        tree.require_build_dir(tmp_path / "absent")


def test_header_is_found_in_the_source_of_an_output_directory(build_dir: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "include").mkdir(parents=True)
    (build_dir / "include/linux").rename(theirs / "include/linux")
    with pytest.raises(UserError):
        tree.require_api(build_dir)
    (build_dir / "source").symlink_to("../theirs")
    tree.require_api(build_dir)
    (build_dir / "source").unlink()
    (build_dir / "Makefile").write_text("include ../theirs/Makefile\n")
    tree.require_api(build_dir)


def test_release_is_read(build_dir: Path) -> None:
    assert tree.release(build_dir) == "6.12.1-theirs"
    (build_dir / "include/generated/utsrelease.h").write_text("")
    with pytest.raises(UserError, match="names no release"):
        tree.release(build_dir)
