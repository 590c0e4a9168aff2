# SPDX-License-Identifier: GPL-2.0-only
"""A whole build, with a Makefile of a few lines for a kernel."""

import subprocess
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.kernel import build, cache, config, flavour, recipe, source
from tools.progress import Silent

# What kbuild does that matters here: configurations, an image, a module, a release.
MAKEFILE = """\
tinyconfig:
\techo 'CONFIG_64BIT=y' > $(O)/.config
olddefconfig:
\tgrep -v CONFIG_UNMET $(O)/.config > $(O)/new && mv $(O)/new $(O)/.config
bzImage: FORCE
\t@echo '  CC      mm/page.o'
\t@! grep -n BROKEN mm/page.c || { echo 'mm/page.c:1:1: error: it is broken'; false; }
\tmkdir -p $(O)/arch/x86/boot $(O)/include/config $(O)/drivers
\tcat mm/page.c > $(O)/arch/x86/boot/bzImage
\techo 6.12.9$(LOCALVERSION) > $(O)/include/config/kernel.release
\ttouch $(O)/Module.symvers $(O)/drivers/kmem.ko
modules: bzImage
FORCE:
"""
KCONFIG = """\
config 64BIT
\tbool "64 bit"
config NUMA
\tbool "NUMA"
config KASAN
	bool "KASAN"
config UNMET
\tbool "Unmet"
\tdepends on NOTHING
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> source.Tree:
    """A fake source in a cache of its own, as the reference kernel's only source."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "linux-6.12.9"
    for name, text in {"Makefile": MAKEFILE, "Kconfig": KCONFIG, "mm/page.c": "one\ntwo\nthree\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    archive = tmp_path / "linux-6.12.9.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, root.name], check=True)
    (tmp_path / "patches").mkdir()
    monkeypatch.setattr(recipe, "patches", lambda: sorted((tmp_path / "patches").glob("*.patch")))
    fragment = tmp_path / "reference.config"
    fragment.write_text("CONFIG_NUMA=y\t# the subject\n")
    (tmp_path / "debug.config").write_text("CONFIG_KASAN=y\n# CONFIG_NUMA is not set\n")
    (tmp_path / "flavours.toml").write_text((flavour.FOLDER / "flavours.toml").read_text())
    monkeypatch.setattr(flavour, "FOLDER", tmp_path)
    return source.obtain(recipe.load("").package, Silent(), archive)


def test_kernel_is_built_once(tree: source.Tree) -> None:
    built = build.reference(Silent())
    assert built.release == "6.12.9-pnode"
    assert built.image.read_text() == "one\ntwo\nthree\n"
    assert built.meta.source == tree.version
    assert built.meta.steps == 1
    assert config.parse((built.build_dir / ".config").read_text(), "x") == {"64BIT": "y", "NUMA": "y"}
    assert (built.build_dir / "Module.symvers").is_file()
    assert not (built.build_dir / "arch/x86/boot").exists()
    assert (built.image.parent / "modules/kmem.ko").is_file()
    stamp = built.image.stat().st_mtime_ns
    assert build.reference(Silent()) == built
    assert built.image.stat().st_mtime_ns == stamp


def test_flavour_makes_another_kernel(tree: source.Tree) -> None:
    first = build.reference(Silent())
    second = build.reference(Silent(), kind=flavour.load("debug"))
    assert (first.meta.flavour, second.meta.flavour) == ("reference", "debug")
    assert second.release == "6.12.9-pnode-debug"
    got = config.parse((second.build_dir / ".config").read_text().replace("CONFIG_NUMA=y\n", ""), "x")
    assert (got["KASAN"], got["NUMA"]) == ("y", "n")
    assert build.reference(Silent()) == first
    assert {kernel.hash for kernel in cache.kernels()} == {first.hash, second.hash}


def test_patch_makes_another_kernel(tree: source.Tree, tmp_path: Path) -> None:
    first = build.reference(Silent())
    patch = "--- a/mm/page.c\n+++ b/mm/page.c\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    (tmp_path / "patches/0001-two.patch").write_text(patch)
    second = build.reference(Silent())
    assert second.hash != first.hash
    assert second.image.read_text() == "one\n2\nthree\n"
    assert second.meta.patches == ["0001-two.patch"]
    assert cache.find(first.hash) is not None


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("mm/page.c", r"mm/page.c:1:1: error: it is broken \(log: .*/logs/kernel-"),
        ("fragment", r"1 option\(s\) of the fragment are lost:\n  CONFIG_UNMET=y .* \(NOTHING is n\)"),
        ("patch", r"0001-x.patch does not apply"),
    ],
)
def test_broken_build_leaves_no_half_kernel(
    tree: source.Tree, tmp_path: Path, broken: str, reason: str
) -> None:
    if broken == "fragment":
        (tmp_path / "reference.config").write_text("CONFIG_UNMET=y\n")
    elif broken == "patch":
        patch = "--- a/mm/page.c\n+++ b/mm/page.c\n@@ -1 +1 @@\n-absent\n+2\n"
        (tmp_path / "patches/0001-x.patch").write_text(patch)
    else:
        (tree.path / broken).write_text("BROKEN\n")
    with pytest.raises(UserError, match=reason):
        build.reference(Silent())
    assert list(cache.home().iterdir()) == []


def test_interrupted_build_leaves_no_half_kernel(tree: source.Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(Silent):
        def advance(self, text: str, done: int, total: int) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.reference(Interrupting())
    assert list(cache.home().iterdir()) == []
    assert build.reference(Silent()).image.is_file()
