# SPDX-License-Identifier: GPL-2.0-only
"""The configuration: tinyconfig plus our fragment, and proof that nothing of the fragment was lost.

merge_config.sh and olddefconfig silently drop what has unmet dependencies; a kernel that lacks an option
would then fail tests for the wrong reason.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from tools.errors import UserError
from tools.kernel import kconfig, kexpr

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


def require_superset(wanted: Mapping[str, str], config: Path, source: Path) -> None:
    """Check that the finished .config holds the whole fragment.

    Raises UserError with every lost option explained (one line each: they are mended together).
    """
    got = parse(config.read_text(), str(config))
    missing = lost(wanted, got)
    if not missing:
        return
    index = kconfig.read(source)
    lines = [explain(name, wanted[name], got, index) for name in missing]
    raise UserError(f"{len(missing)} option(s) of the fragment are lost:\n  " + "\n  ".join(lines))
