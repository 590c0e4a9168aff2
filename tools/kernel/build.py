# SPDX-License-Identifier: GPL-2.0-only
"""Builds the reference kernel: in a directory beside the cache's, renamed when whole.

The output directory lies in the patched source (linux/build), for then kbuild uses relative paths only:
the whole kernel can be renamed, and ccache finds its objects again for another set of patches.
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tools.errors import UserError
from tools.kernel import cache, config, flavour, recipe, source
from tools.kernel.cache import BuiltKernel
from tools.kernel.errors import BuildError
from tools.kernel.flavour import Flavour
from tools.kernel.make import compiler_words, make
from tools.paths import cache_dir
from tools.progress import Progress

GIB = 1 << 30
IMAGE = "arch/x86/boot/bzImage"
UNFINISHED = ".pnode-unfinished"


def reference(
    progress: Progress, archive: Path | None = None, jobs: int | None = None, kind: Flavour | None = None
) -> BuiltKernel:
    """Return the reference kernel, built when the cache has none of the same input. It stays there until this
    process ends.

    `archive` is a kernel source package to use instead of the one found; `jobs` defaults to the cores, `kind`
    to the default flavour.
    Raises UserError for a patch that does not apply, a lost option, a failed build, a full disk.
    """
    kind = kind or flavour.load()
    plan = recipe.load(kind.localversion)
    cc = recipe.compiler()
    wanted = kind.options()
    patches = recipe.patches()
    tree = None if archive else source.unpacked(plan.package)
    if tree:
        built = cache.find(recipe.kernel_hash(tree.version, patches, wanted, cc, plan))
        if built and cache.hold(built):
            return built
    require_space(cache_dir(), plan.disk_gib)
    with cache.locked(progress):
        cache.clean_leftovers()
        tree = source.obtain(plan.package, progress, archive)
        name = recipe.kernel_hash(tree.version, patches, wanted, cc, plan)
        built = cache.find(name) or build(name, tree, patches, wanted, cc, plan, progress, jobs, kind.name)
        cache.hold(built)  # nothing is removed while the lock of the cache is held
        return built


def require_space(directory: Path, gib: int) -> None:
    """Raise UserError when the file system has less than `gib` GiB free for us."""
    free = shutil.disk_usage(directory).free
    if free < gib * GIB:
        raise UserError(
            f"building the kernel needs {gib} GiB in {directory}, {free / GIB:.1f} GiB are free; "
            "free some, or point $XDG_CACHE_HOME elsewhere"
        )


def build(
    name: str,
    tree: source.Tree,
    patches: Sequence[Path],
    wanted: Mapping[str, str],
    cc: str,
    plan: recipe.Recipe,
    progress: Progress,
    jobs: int | None = None,
    kind: str = flavour.DEFAULT,
) -> BuiltKernel:
    """Patch, configure, make, trim, rename. The caller holds the cache's lock."""
    log = cache_dir("logs") / f"kernel-{name}.log"
    log.write_text(f"# {tree.version}, {len(patches)} patches, flavour {kind}, {cc}\n")
    start = time.monotonic()
    with source.Scratch(cache.home() / f".building-{name}") as scratch:
        linux = scratch.path / "linux"
        output = linux / "build"
        progress.stage(f"patching and configuring {tree.version} with {len(patches)} patches, flavour {kind}")
        source.patched(tree, patches, linux)
        output.mkdir()
        configure(linux, output, wanted, plan.make, log)
        config.require_superset(wanted, output / ".config", linux)
        steps = compile_all(linux, output, plan, progress, log, jobs)
        release = (output / "include/config/kernel.release").read_text().strip()
        shutil.copyfile(output / IMAGE, scratch.path / "bzImage")
        keep_modules(output, scratch.path / "modules")
        trim(output, plan.keep)
        meta = cache.Meta(
            hash=name,
            release=release,
            source=tree.version,
            compiler=cc,
            patches=[path.name for path in patches],
            config_sha256=recipe.digest(output / ".config"),
            image_sha256=recipe.digest(scratch.path / "bzImage"),
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - start, 1),
            steps=steps,
            flavour=kind,
        )
        cache.write_meta(scratch.path, meta)
        scratch.path.rename(cache.home() / name)
    minutes, seconds = divmod(round(meta.seconds), 60)
    progress.stage(f"built {release} in {minutes}:{seconds:02} min ({name})")
    return cache.layout(cache.home() / name, meta)


def configure(
    linux: Path, output: Path, wanted: Mapping[str, str], variables: Mapping[str, str], log: Path
) -> None:
    """Make output/.config: tinyconfig, our fragment on top. What came of it is the caller's to check."""
    common = [object_word(linux, output), *compiler_words()]
    what = "configuring the kernel"
    make([*common, "tinyconfig"], what=what, cwd=linux, log=log, env=variables)
    # As merge_config.sh does, minus a message for each override: the last value of a name wins.
    with (output / ".config").open("a") as stream:
        stream.write(config.plain_fragment(wanted))
    make([*common, "olddefconfig"], what=what, cwd=linux, log=log, env=variables)


def object_word(linux: Path, output: Path) -> str:
    """Return make's O argument, relative: kbuild then uses relative paths, which ccache likes."""
    return f"O={os.path.relpath(output, linux)}"


def compile_all(
    linux: Path, output: Path, plan: recipe.Recipe, progress: Progress, log: Path, jobs: int | None
) -> int:
    """Build image and modules; return the number of steps that make took."""
    known = cache.kernels()
    total = known[0].meta.steps if known else plan.steps
    done = 0

    def step(text: str) -> None:
        nonlocal done
        done += 1
        progress.advance("building the kernel", done, total)

    count = jobs or len(os.sched_getaffinity(0))
    progress.stage(f"building the kernel with make -j{count} (log: {log})")
    make(
        [object_word(linux, output), f"-j{count}", *compiler_words(), "bzImage", "modules"],
        what="building the kernel",
        cwd=linux,
        log=log,
        env=plan.make,
        step=step,
    )
    if not (output / IMAGE).is_file():
        raise BuildError(f"make ended well but left no {IMAGE} (log: {log})")
    return done


def checked_out(
    linux: Path,
    output: Path,
    wanted: Mapping[str, str],
    kind: Flavour,
    progress: Progress,
    log: Path,
    jobs: int | None = None,
) -> None:
    """Build what is checked out in somebody's tree; `output` keeps its objects for the next commit.

    Options that the tree does not have are not asked for. A build that was cut short is begun anew: it can
    leave half a file that the next make reads. Raises BuildError when the commit is at fault, UserError when
    the tree has been built in, which kbuild does not mix with O=, or the disk is full.
    """
    if (linux / ".config").exists() or (linux / "include/config").exists():
        raise UserError(f"{linux}: a kernel was built in this tree, make O= refuses it; make mrproper first")
    plan = recipe.load(kind.localversion)
    require_space(output.parent, plan.disk_gib)
    unfinished = output / UNFINISHED
    with cache.locked(progress):
        if unfinished.exists():
            shutil.rmtree(output)
        output.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        try:
            configure(linux, output, wanted, plan.make, log)
            config.require_superset(wanted, output / ".config", linux, of_this_source=True)
            compile_all(linux, output, plan, progress, log, jobs)
        except BuildError:  # make came to its end, if not to a good one
            unfinished.unlink()
            raise
        unfinished.unlink()


def keep_modules(output: Path, target: Path) -> None:
    """Copy the modules out of the output directory, flat: their names are unique."""
    target.mkdir()
    for module in output.rglob("*.ko"):
        shutil.copyfile(module, target / module.name)


def trim(output: Path, keep: Sequence[str]) -> None:
    """Remove from the output directory what neither `make M=` nor a person needs."""
    kept = output.with_name("kept")
    for name in keep:
        path = output / name
        if path.is_symlink() or path.exists():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            path.rename(kept / name)
    shutil.rmtree(output)
    kept.rename(output)
