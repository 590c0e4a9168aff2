# SPDX-License-Identifier: GPL-2.0-only
"""The configuration: tinyconfig plus our fragment, and proof that nothing of the fragment was lost.

merge_config.sh and olddefconfig silently drop what has unmet dependencies; a kernel that lacks an option
would then fail tests for the wrong reason.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.errors import UserError
from tools.kernel import kconfig, kexpr
from tools.kernel.errors import BuildError

SETTING = re.compile(r'CONFIG_(?P<name>\w+)=(?P<value>"(?:[^"\\]|\\.)*"|\S+)\s*(?:#.*)?')
UNSET = re.compile(r"#\s*CONFIG_(?P<name>\w+) is not set\s*(?:#.*)?")


def parse(text: str, where: str) -> dict[str, str]:
    """Return option -> value of a .config or of a fragment with trailing comments; unset is "n".

    Raises UserError naming the line for one that is neither an option nor a comment, or said twice.
    """
    options: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        match = SETTING.fullmatch(line)
        unset = UNSET.fullmatch(line)
        if match:
            name, value = match["name"], match["value"]
        elif unset:
            name, value = unset["name"], "n"
        elif not line or line.startswith("#"):
            continue
        else:
            raise UserError(f"{where}:{number}: not a kernel option: {line}")
        if name in options:
            raise UserError(f"{where}:{number}: CONFIG_{name} is set a second time")
        options[name] = value
    return options


def plain_fragment(options: Mapping[str, str]) -> str:
    """Return the fragment as merge_config.sh wants it: without comments behind the values."""
    lines = (
        f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"
        for name, value in options.items()
    )
    return "\n".join(lines) + "\n"


def lost(wanted: Mapping[str, str], got: Mapping[str, str]) -> dict[str, str]:
    """Return option -> value got ("n" when absent) for every option that is not as wanted."""
    return {name: got.get(name, "n") for name, value in wanted.items() if got.get(name, "n") != value}


def explain(name: str, wanted: str, got: Mapping[str, str], index: kconfig.Index) -> str:
    """Return one line saying why an option is not as wanted."""
    is_now = got.get(name, "n")
    head = f"CONFIG_{name}={wanted} came out as {is_now}"
    definitions = index.definitions.get(name)
    if not definitions:
        return f"{head}: this kernel has no such option"
    if wanted == "n":
        by = [
            selector
            for selector, condition in index.selected_by.get(name, [])
            if got.get(selector, "n") != "n" and (not condition or kexpr.evaluate(condition, got).value)
        ]
        return f"{head}: selected by {', '.join(by) or 'its default'}"
    reasons = []
    for definition in definitions:
        unmet = []
        for term in definition.conditions:
            result = kexpr.evaluate(term, got)
            if result.value == kexpr.NO or (result.value == kexpr.MODULE and wanted == "y"):
                culprits = [f"{symbol} is {got.get(symbol, 'n')}" for symbol in result.culprits]
                unmet.append(f"depends on {term} ({', '.join(culprits) or 'only m'})")
        if unmet:
            reasons.append(f"{definition.place} {'; '.join(unmet)}")
        elif not definition.prompt:
            selectors = sorted({by for by, _ in index.selected_by.get(name, [])})
            reasons.append(
                f"{definition.place} has no prompt, only others select it: {', '.join(selectors) or 'nobody'}"
            )
        elif is_now != "n":
            reasons.append(f"{definition.place} allows another value: a range, a choice or a select decides")
        elif definition.in_choice:
            reasons.append(f"{definition.place}: another member of the same choice is set")
        else:
            reasons.append(f"{definition.place}: its conditions hold, yet it was not set")
    return f"{head}: {' | '.join(reasons)}"


@dataclass(frozen=True)
class Loss:
    """An option that is not as wanted, why, and whether this source has such an option at all."""

    name: str
    reason: str
    exists: bool


def losses(wanted: Mapping[str, str], config: Path, source: Path) -> list[Loss]:
    """Return what the finished .config does not hold of the fragment."""
    got = parse(config.read_text(), str(config))
    missing = lost(wanted, got)
    if not missing:
        return []
    index = kconfig.read(source)
    return [
        Loss(name, explain(name, wanted[name], got, index), name in index.definitions) for name in missing
    ]


def require_superset(
    wanted: Mapping[str, str], config: Path, source: Path, *, of_this_source: bool = False
) -> None:
    """Check that the finished .config holds the whole fragment; `of_this_source`: all of it that this source
    has an option for, since an older commit lacks those that came later.

    Raises BuildError with every lost option explained (one line each: they are mended together).
    """
    found = [loss for loss in losses(wanted, config, source) if loss.exists or not of_this_source]
    if found:
        lines = [loss.reason for loss in found]
        raise BuildError(f"{len(found)} option(s) of the fragment are lost:\n  " + "\n  ".join(lines))
