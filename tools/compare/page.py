# SPDX-License-Identifier: GPL-2.0-only
"""The comparison as a page: one file, no script, nothing from the network."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tools.compare import expectations, policy
from tools.compare.changes import Change
from tools.compare.comparison import Comparison
from tools.compare.text import ORDER, conclusion, described, details, notes, one_sided, unsaid
from tools.errors import UserError
from tools.report.verdict import DEVIATES, INCOMPLETE

TEMPLATE = "page.html"
_WORDS = {DEVIATES: "worse", INCOMPLETE: "incomplete"}


def render(found: Comparison, also: Collection[str] = ()) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sorted_ = expectations.sort(found) if "dialect" in found.differences else None
    return environment.get_template(TEMPLATE).render(
        title=f"{found.a.run.get('run') or found.a.path} and {found.b.run.get('run') or found.b.path}",
        conclusion=conclusion(found, also),
        status=_WORDS.get(policy.status(found, also), "same"),
        sides=[(side, described(side)) for side in (found.a, found.b)],
        notes=notes(found),
        sections=[
            (change, found.requirements_with(change), found.tests_with(change))
            for change in ORDER
            if found.requirements_with(change) or found.tests_with(change)
        ],
        details=details,
        expectations=sorted_,
        conduct=expectations.conduct,
        unsaid=list(unsaid(sorted_)) if sorted_ else [],
        speeds=found.speeds,
        times=found.times,
        one_sided=one_sided(found),
        same=len(found.tests_with(Change.SAME)),
        still=found.tests_with(Change.STILL),
    )


def write(path: Path, found: Comparison, also: Collection[str] = ()) -> None:
    """Write the page in one go, so that no reader sees half of it. Raises UserError.

    A pipe or a device (/dev/stdout) is written to; it is not replaced by a file.
    """
    if path.is_dir():
        raise UserError(f"--html {path}: a directory; give the name of a file")
    direct = path.exists() and not path.is_file()
    draft = path if direct else path.with_name(f".{path.name}.part")
    try:
        draft.write_text(render(found, also), encoding="utf-8", errors="replace")
        if not direct:
            draft.replace(path)
    except OSError as error:
        if not direct:
            with suppress(OSError):
                draft.unlink()
        raise UserError(f"--html {path}: {error.strerror}") from error
