# SPDX-License-Identifier: GPL-2.0-only
"""pnode kernel build|list|rm: the cache of reference kernels."""

import argparse
import sys
from pathlib import Path

from tools.cli.arguments import positive
from tools.cli.exits import Exit
from tools.doctor import packages
from tools.errors import UserError
from tools.kernel import build, cache, flavour
from tools.kernel.flavour import Flavour
from tools.progress import for_terminal


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|list|rm")
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


def execute(args: argparse.Namespace) -> int:
    if args.action == "build":
        kernel = obtain(args.source, args.jobs, flavour.load(args.flavour))
        print(f"{kernel.hash}  {kernel.release}\nimage  {kernel.image}\nbuild  {kernel.build_dir}")
    elif args.action == "list":
        print_list()
    else:
        names = [kernel.hash for kernel in cache.kernels()] if args.all else args.hash
        if not names and not args.all:
            raise UserError("kernel rm: name a kernel, or --all")
        with for_terminal() as progress, cache.locked(progress):
            for name in names:
                print(f"removed {cache.remove(name)}", file=sys.stderr)
    return Exit.HOLDS
