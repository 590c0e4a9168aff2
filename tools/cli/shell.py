# SPDX-License-Identifier: GPL-2.0-only
"""pnode shell: a guest for people, on this terminal."""

import argparse
import sys
from pathlib import Path

from tools.cli import kernel as kernel_verb
from tools.cli import subject
from tools.cli.exits import Exit, statuses
from tools.doctor import packages
from tools.errors import UserError
from tools.guest import topology
from tools.guest.shell import shell
from tools.guest.spec import GuestSpec
from tools.kernel import flavour


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses("the guest was left", cannot="it did not come up, or died", incomplete="")
    parser.add_argument("--topology", default="fast", metavar="NAME", help="kind of guest (default: fast)")
    parser.add_argument("--kernel", type=Path, metavar="BZIMAGE", help="default: the reference kernel")
    kernel_verb.add_flavour(parser)
    parser.add_argument("--build", type=Path, metavar="DIR", help="where it was built, for the test module")


def execute(args: argparse.Namespace) -> int:
    if not sys.stdin.isatty():
        raise UserError("shell: standard input is no terminal; to run tests use pnode run")
    kind = flavour.load(args.flavour)
    place = topology.load(args.topology).with_more_memory(kind.more_memory)
    kernel = subject.check_paths(args.kernel, args.build)
    packages.require(["qemu-cxl" if place.tree else "qemu"])
    kernel = kernel or subject.reference(kind)
    module = kernel.module() if kernel.build_dir else None
    print(f"pnode: booting {kernel.release} on {place.name}; Ctrl-A x ends it", file=sys.stderr, flush=True)
    boot = kind.boot_arguments(cxl=place.tree is not None)
    status = shell(GuestSpec(topology=place, kernel=kernel.image, module=module, boot=boot))
    return Exit.HOLDS if status == 0 else Exit.CANNOT_RUN
