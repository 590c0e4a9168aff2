# SPDX-License-Identifier: GPL-2.0-only
"""Waivers: everything that is needed, and nothing that could be overlooked."""

from datetime import date
from pathlib import Path

import pytest

from tools.certificate import waivers
from tools.errors import UserError

TODAY = date(2026, 11, 26)
GOOD = '[CXL-03]\nreason = "broken HMAT"\nlink = "https://x.example/1"\nexpires = 2026-11-26\n'


def load(tmp_path: Path, text: str) -> list[waivers.Waiver]:
    path = tmp_path / "waivers.toml"
    path.write_text(text)
    return waivers.load(path, {"CXL-03", "CXL-04"}, TODAY)


def test_the_last_day_counts(tmp_path: Path) -> None:
    (one,) = load(tmp_path, GOOD)
    assert one == waivers.Waiver("CXL-03", "broken HMAT", "https://x.example/1", TODAY)
    assert waivers.Waiver.of(one.json()) == one


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("CXL-03", "CXL-99", r"\[CXL-99\]: no such requirement"),
        ("2026-11-26", "2026-11-25", r"\[CXL-03\]: expired on 2026-11-25; see whether CXL-03 holds now"),
        ("2026-11-26", '"2027-11-26"', "expires must be a date such as 2027-03-31, without quotes"),
        ("2026-11-26", "2027-11-26T00:00:00Z", "expires must be a date"),
        ("expires", "until", "unknown key 'until'"),
        ("expires = 2026-11-26\n", "", "expires must be a date"),
        ('reason = "broken HMAT"\n', "", "reason is missing"),
        ('"broken HMAT"', '" "', "reason is missing"),
        ('link = "https://x.example/1"\n', "", "link is missing"),
        ("https://x.example/1", "mail from Joe", "link 'mail from Joe' is no http or https link"),
        ("[CXL-03]", "[CXL-03", "waivers.toml: .*line 1"),
        (GOOD, "CXL-03 = 1", "must be a table"),
        (GOOD, GOOD + GOOD, "waivers.toml: .*"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--waivers .*none: No such file"):
        waivers.load(tmp_path / "none", (), TODAY)
