# SPDX-License-Identifier: GPL-2.0-only
"""pnode kernel build|list|rm|variants: the cache of reference kernels, and what else has to compile."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.cli.arguments import positive
from tools.cli.exits import Exit, statuses
from tools.doctor import packages
from tools.errors import UserError
from tools.kernel import build, cache, flavour, variants
from tools.kernel.flavour import Flavour
from tools.progress import for_terminal


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses("done", deviates="variants: one does not compile without a warning")
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|list|rm|variants")
    making = actions.add_parser(
        "build", help="build the reference kernel, if the cache has none of this input"
    )
    making.add_argument(
        "--source", type=Path, metavar="FILE", help="a linux-source .deb or tar archive, instead of apt's"
    )
    add_flavour(making)
    making.add_argument("-j", "--jobs", type=positive, metavar="N", help="make -jN (default: all cores)")
    actions.add_parser("list", help="kernels in the cache, the newest first")
    removing = actions.add_parser("rm", help="remove kernels from the cache")
    removing.add_argument("hash", nargs="*", help="beginning of a hash that pnode kernel list prints")
    removing.add_argument("--all", action="store_true", help="all of them")
    trying = actions.add_parser(
        "variants", help="compile what the patches touch with single features off; a warning is an error"
    )
    trying.add_argument("name", nargs="*", help="which of tools/kernel/variants.toml (default: all)")
    trying.add_argument("-j", "--jobs", type=positive, metavar="N", help="make -jN (default: all cores)")


def add_flavour(parser: argparse._ActionsContainer) -> None:
    """Let the user choose among the kinds of the reference kernel."""
    kinds = flavour.names()
    parser.add_argument(
        "--flavour",
        choices=kinds,
        default=flavour.DEFAULT,
        metavar="NAME",
        help=f"kind of the reference kernel: {' or '.join(kinds)} (default: {flavour.DEFAULT})",
    )


def obtain(
    archive: Path | None = None, jobs: int | None = None, kind: Flavour | None = None
) -> cache.BuiltKernel:
    """Return the reference kernel, building it with progress shown. Raises UserError."""
    packages.require(["compiler", "kernel"])
    with for_terminal() as progress:
        return build.reference(progress, archive, jobs, kind)


def print_list() -> None:
    """Print one line a kernel."""
    for kernel in cache.kernels():
        meta = kernel.meta
        print(
            f"{kernel.hash}  {meta.flavour:<9}  {kernel.release}  {meta.built}  {len(meta.patches)} patches  "
            f"{meta.seconds:.0f} s  {kernel.image}"
        )


def try_variants(names: Sequence[str], jobs: int | None) -> int:
    """Compile the variants, print one line each; deviating is one that warns. Raises UserError."""
    packages.require(["compiler", "kernel"])
    plan = variants.load()
    chosen = plan.choose(names)
    failed = 0
    with for_terminal() as progress:
        for variant, complaint in variants.compile_each(chosen, plan, progress, jobs):
            failed += complaint is not None
            print(f"{variant.name:<20} {complaint or 'ok'}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} variants compile without a warning")
    return Exit.DEVIATES if failed else Exit.HOLDS


def execute(args: argparse.Namespace) -> int:
    if args.action == "build":
        kernel = obtain(args.source, args.jobs, flavour.load(args.flavour))
        print(f"{kernel.hash}  {kernel.release}\nimage  {kernel.image}\nbuild  {kernel.build_dir}")
    elif args.action == "list":
        print_list()
    elif args.action == "variants":
        return try_variants(args.name, args.jobs)
    else:
        if bool(args.hash) == args.all:
            raise UserError("kernel rm: name kernels, or --all and none")
        names = [kernel.hash for kernel in cache.kernels()] if args.all else args.hash
        with for_terminal() as progress, cache.locked(progress):
            for name in names:
                print(f"removed {cache.remove(name)}", file=sys.stderr)
    return Exit.HOLDS
