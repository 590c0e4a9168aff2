# SPDX-License-Identifier: GPL-2.0-only
"""pnode certify: a signed certificate for a finished run, or a new pair of keys."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools import certificate
from tools.certificate import evidence, profile, statement, waivers
from tools.certificate.summary import summary
from tools.cli.arguments import file_name
from tools.cli.exits import Exit, statuses
from tools.cli.list import load_catalogue
from tools.errors import UserError
from tools.report.events import Outcome

NAME = "certificate.json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = statuses("there is a certificate", cannot="there is none: each line says why")
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="directory of a finished run")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private ed25519 key (PEM) to sign with")
    parser.add_argument(
        "--new-key", type=file_name, metavar="FILE", help="only make a pair of keys: FILE and FILE.pub"
    )
    parser.add_argument(
        "--out", type=file_name, metavar="FILE", help=f"the certificate (default: RUN/{NAME})"
    )
    parser.add_argument(
        "--waivers", type=Path, metavar="FILE", help="TOML: requirements that may deviate, until when and why"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="TOML: the device model that the run has to have found"
    )
    parser.add_argument(
        "--url", metavar="URL", help="where the results are published (default: as pnode run was told)"
    )
    told = parser.add_argument_group("what the certificate then tells")
    told.add_argument(
        "--partial",
        action="store_true",
        help="a choice of tests, or requirements of level must without any test in the run",
    )
    told.add_argument(
        "--allow-dirty", action="store_true", help="a suite with local changes, or of unknown version"
    )


def execute(args: argparse.Namespace) -> int:
    certificate.require()
    if args.new_key:
        if args.run or args.key:
            raise UserError("--new-key only makes keys; give RUN and --key in another call")
        return make_keys(args.new_key)
    if not args.run or not args.key:
        raise UserError("certify needs RUN and --key FILE (or --new-key FILE to make one)")
    if args.url and not args.url.startswith(("https://", "http://")):
        raise UserError(f"--url {args.url}: no http or https link")
    return issue(args, datetime.now(UTC))


def make_keys(path: Path) -> int:
    """Make a pair of keys."""
    from tools.certificate import keys

    public = keys.new_pair(path)
    print(f"private key: {path} (keep it)\npublic key:  {public} (give it to those who verify)")
    return Exit.HOLDS


def issue(args: argparse.Namespace, now: datetime) -> int:
    """Certify the run, or say on a line each why it cannot be certified."""
    from tools.certificate import envelope, keys, verify

    known = load_catalogue()
    signer = keys.private_key(args.key)
    found = evidence.load(args.run, known.values())
    let_off = waivers.load(args.waivers, known, now.date()) if args.waivers else []
    model = profile.load(args.profile) if args.profile else None
    allowed = evidence.Allowed(
        frozenset(one.requirement for one in let_off), dirty=args.allow_dirty, partial=args.partial
    )
    refused = evidence.refusals(found, known.hash, allowed)
    if model is not None and not refused:
        refused += model.mismatches(devices(found))
    if refused:
        return refuse(args.run, refused)
    url = args.url or found.run.get("files_url")
    told = statement.build(
        found,
        statement.Issue(
            now.strftime("%Y-%m-%dT%H:%M:%SZ"), tuple(let_off), model.json() if model else None, url
        ),
    )
    sealed = envelope.seal(told, signer)
    # Nobody gets a certificate that does not stand.
    if wrong := verify.complaints(sealed, signer.public_key, now.date(), args.run)[0]:
        return refuse(args.run, wrong)
    for claim in found.claims:
        if claim.id in allowed.waived and claim.verdict is Outcome.PASS:
            print(f"pnode: {claim.id} is waived and holds: its waiver is not needed", file=sys.stderr)
    out = args.out or (args.run if args.run.is_dir() else args.run.parent) / NAME
    write(out, sealed)
    for line in summary(told, now.date()):
        print(line)
    print(f"certificate: {out}", flush=True)
    return Exit.HOLDS


def devices(found: evidence.Evidence) -> list[Mapping[str, Any]]:
    """All CXL memory devices that the run found, one of each kind of guest."""
    return [
        device
        for topology in found.verdict.topologies
        for machine in found.machines(topology)[:1]
        for device in machine["devices"]
    ]


def refuse(run: Path, reasons: Sequence[str]) -> int:
    """Say why there is no certificate."""
    for reason in reasons:
        print(f"pnode: {run}: not certified: {reason}", file=sys.stderr)
    return Exit.CANNOT_RUN


def write(path: Path, sealed: Mapping[str, Any]) -> None:
    """Replace the file at once. Raises UserError, OSError for a full disk."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(json.dumps(sealed) + "\n")
        draft.replace(path)
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as error:
        raise UserError(f"{path}: {error.strerror}; give another --out") from None
    except OSError as error:  # a full disk: a failed write does not say where
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
