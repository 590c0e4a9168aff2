# SPDX-License-Identifier: GPL-2.0-only
"""What somebody's kernel was made from, as its owner says: nothing of it can be seen in the image.

It goes into run-start, and from there into kcidb.json, where results of two respins are told apart by it.
"""

import argparse
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

from tools.errors import UserError
from tools.report.kcidb import DEFAULT_ORIGIN

PATCHSET_HASH = "sha256sum *.patch | cut -c-64 | sha256sum"


@dataclass(frozen=True)
class Provenance:
    """The words of the command line; None where nothing was said. Each is checked by `configure`."""

    series: str | None = None  # such as v4
    message_id: str | None = None  # of the series' cover letter, without angle brackets
    patchset_hash: str | None = None  # as KCIDB defines it
    tree: str | None = None  # name of the tree the patches are on, such as mm-unstable
    git_url: str | None = None
    git_branch: str | None = None
    git_commit: str | None = None  # of the base, or of the whole where there are no patches

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def event(self) -> dict[str, str | None]:
        """The `source` of run-start."""
        return asdict(self)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    source = parser.add_argument_group("what that kernel was made from (for kcidb.json)")
    source.add_argument("--series", type=text, metavar="NAME", help="version of the series, such as v4")
    source.add_argument("--message-id", type=message_id, metavar="ID", help="of its cover letter")
    source.add_argument(
        "--patchset-hash",
        type=digits(64, PATCHSET_HASH),
        metavar="SHA256",
        help=f"of its patches in their order, as KCIDB wants it: {PATCHSET_HASH}",
    )
    source.add_argument("--tree", type=text, metavar="NAME", help="tree it is based on, such as mm-unstable")
    source.add_argument("--git-url", type=https, metavar="URL", help="where that tree is, https://...")
    source.add_argument("--git-branch", type=text, metavar="NAME", help="branch of that tree")
    source.add_argument(
        "--git-commit", type=digits(40, "git rev-parse HEAD"), metavar="HASH", help="commit, all 40 digits"
    )
    add_report_options(parser)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who reports, and where the files will be."""
    who = parser.add_argument_group("who reports (for kcidb.json)")
    who.add_argument(
        "--kcidb-origin",
        type=origin,
        metavar="NAME",
        help=f"name of the CI system, as KernelCI gave it (default: {DEFAULT_ORIGIN})",
    )
    who.add_argument(
        "--files-url", type=url, metavar="URL", help="where the run's directory will be published"
    )


def given(args: argparse.Namespace, foreign: bool) -> Provenance:
    """Return what was said. Raises UserError when it was said of the reference kernel."""
    found = Provenance(**{field.name: getattr(args, field.name) for field in fields(Provenance)})
    if found and not foreign:
        raise UserError(
            "--series, --message-id, --patchset-hash, --tree and --git-... tell what somebody's kernel was "
            "made from: name it by --kernel and --build, or --here"
        )
    return found


def text(word: str) -> str:
    """Parse one line of something. Raises ArgumentTypeError."""
    return _match(word.strip(), r"[ -~]+", "must be one line of printable ASCII")


def message_id(word: str) -> str:
    """Parse a Message-ID, with or without its angle brackets. Raises ArgumentTypeError."""
    word = word.strip().removeprefix("<").removesuffix(">")
    return _match(word, r"[!-;=?A-~]+@[!-;=?A-~]+", "must be a Message-ID, such as 2026.1-1-name@example.org")


def https(word: str) -> str:
    """Parse the address of a repository. Raises ArgumentTypeError."""
    return _match(word, r"https://[!-~]+", "must begin with https://")


def url(word: str) -> str:
    """Parse the address of a directory; it ends in a slash then. Raises ArgumentTypeError."""
    allowed = r"https?://[!$-;=?-\[\]_a-z~]+"  # RFC 3986, without a fragment
    return _match(word.rstrip("/"), allowed, "must be an address, https://...") + "/"


def origin(word: str) -> str:
    """Parse the name of a CI system. Raises ArgumentTypeError."""
    return _match(word, r"[a-z0-9_]+", "KCIDB takes a-z, 0-9 and _ only")


def digits(number: int, command: str) -> Callable[[str], str]:
    """Return what parses a hash of so many hexadecimal digits, which `command` prints."""

    def hexadecimal(word: str) -> str:
        return _match(
            word.lower(), rf"[0-9a-f]{{{number}}}", f"must be {number} hexadecimal digits, as of {command}"
        )

    return hexadecimal


def _match(word: str, pattern: str, wanted: str) -> str:
    if not re.fullmatch(pattern, word):
        raise argparse.ArgumentTypeError(f"{word!r}: {wanted}")
    return word
