# SPDX-License-Identifier: GPL-2.0-only
"""Compiles what the patches touch in configurations that nobody boots; a warning is an error."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError
from tools.kernel import cache, config, flavour, recipe, source
from tools.kernel.build import configure, object_word
from tools.kernel.make import compiler_words, make
from tools.paths import cache_dir
from tools.progress import Progress

FILE = Path(__file__).resolve().parent / "variants.toml"


@dataclass(frozen=True)
class Variant:
    """A configuration: the reference one without some options."""

    name: str
    why: str
    off: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The parsed variants.toml."""

    targets: tuple[str, ...]
    variants: tuple[Variant, ...]

    def choose(self, names: Sequence[str]) -> tuple[Variant, ...]:
        """Return the named variants, all without names. Raises UserError for one that does not exist."""
        known = {variant.name: variant for variant in self.variants}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UserError(f"no variant named {unknown[0]}; there are {', '.join(known)}")
        return tuple(known[name] for name in names) or self.variants


def load(path: Path = FILE) -> Plan:
    """Read variants.toml. Raises UserError naming the variant for a missing or unknown key."""
    data = tomllib.loads(path.read_text())
    targets = tuple(data.pop("targets"))
    variants = []
    for name, entry in data.items():
        if set(entry) != {"why", "off"}:
            raise UserError(f"{path.name}: [{name}] has to have why and off, and has {', '.join(entry)}")
        variants.append(Variant(name, entry["why"], tuple(entry["off"])))
    return Plan(targets, tuple(variants))


def without(wanted: Mapping[str, str], off: Sequence[str]) -> dict[str, str]:
    """Return the options with some of them off."""
    return {**wanted, **dict.fromkeys(off, "n")}


def compile_each(
    chosen: Sequence[Variant], plan: Plan, progress: Progress, jobs: int | None = None
) -> Iterator[tuple[Variant, str | None]]:
    """Compile each variant; yield it with its first warning or error, or None when there is none.

    The source is patched once; each variant has an output directory of its own, gone afterwards. Raises
    UserError when the source or a patch is at fault.
    """
    build = recipe.load()
    wanted = flavour.load().options()
    with cache.locked(progress):
        tree = source.obtain(build.package, progress)
        with source.Scratch(cache.home() / ".building-variants") as scratch:
            linux = scratch.path / "linux"
            source.patched(tree, recipe.patches(), linux)
            for number, variant in enumerate(chosen, 1):
                progress.stage(f"{number}/{len(chosen)} {variant.name}: {variant.why}")
                log = cache_dir("logs") / f"variant-{variant.name}.log"
                log.write_text(f"# {tree.version}, {variant.name}\n")
                yield variant, compile_one(variant, plan, linux, wanted, build, log, jobs)


def compile_one(
    variant: Variant,
    plan: Plan,
    linux: Path,
    wanted: Mapping[str, str],
    build: recipe.Recipe,
    log: Path,
    jobs: int | None,
) -> str | None:
    """Configure and compile one variant; return its first warning or error, or None."""
    output = source.Scratch(linux / f"build-{variant.name}")
    what = f"variant {variant.name}"
    with output:
        try:
            configure(linux, output.path, without(wanted, variant.off), build.make, log)
            got = config.parse((output.path / ".config").read_text(), f"{variant.name}/.config")
            still = [name for name in variant.off if got.get(name, "n") != "n"]
            if still:
                return f"CONFIG_{still[0]} is still {got[still[0]]}: something selects it"
            count = jobs or len(os.sched_getaffinity(0))
            words = [object_word(linux, output.path), f"-j{count}", *compiler_words(), *plan.targets]
            warnings = make(words, what=what, cwd=linux, log=log, env=build.make)
        except UserError as error:
            return str(error)
    return warnings[0] if warnings else None
