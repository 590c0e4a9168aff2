# SPDX-License-Identifier: GPL-2.0-only
"""Device profiles: the example, what is wrong with others, and devices that do not fit."""

from pathlib import Path
from typing import Any

import pytest

from tools.certificate import profile
from tools.errors import UserError

EXAMPLES = Path(profile.__file__).with_name("profiles")
GOOD = """\
[m1]
vendor = "0x8086"
device = "0x0d93"
model = "M1"
firmware = "BWFW *"
flags = ["MIGRATION"]
"""


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_examples_are_good(path: Path) -> None:
    assert profile.load(path).name == path.stem


def test_flags_are_named_as_in_the_interface() -> None:
    assert {"MIGRATION", "MEMPOLICY", "LONGTERM_PIN"} <= set(profile.FLAGS)
    assert len(profile.FLAGS) == 8


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[m1]", "[m2]", r"must hold one table, \[m1\]"),
        ("flags", "flag", "unknown key 'flag'"),
        ('model = "M1"\n', "", "model is missing"),
        ('"M1"', "1", "model must be a text"),
        ('"0x8086"', '"8086"', "vendor is '8086', not a PCI id such as 0x8086"),
        ('"0x0d93"', '"0x0D93"', "device is '0x0D93', not a PCI id"),
        ("MIGRATION", "MIGRATE", "unknown flag 'MIGRATE' .known: MIGRATION, MEMPOLICY"),
        ('["MIGRATION"]', '["MIGRATION", "MIGRATION"]', "nothing comes twice"),
        ('["MIGRATION"]', '"MIGRATION"', "flags must be a list"),
        ("[m1]", "[m1", "m1.toml: .*"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = tmp_path / "m1.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError, match=reason) as caught:
        profile.load(path)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--profile .*none: No such file"):
        profile.load(tmp_path / "none")


def device(**changes: Any) -> dict[str, Any]:
    found = {"name": "mem0", "vendor": "0x8086", "device": "0x0d93", "serial": "0x1", "firmware": "BWFW 7"}
    return found | changes


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        ([device()], []),
        ([device(), device(name="mem1", vendor="0x1")], ["vendor of mem1 (serial 0x1) is 0x1, not 0x8086"]),
        ([device(device=None)], ["device of mem0 (serial 0x1) is None, not 0x0d93"]),
        ([device(firmware="bwfw 7")], ["firmware of mem0 (serial 0x1) is 'bwfw 7', not 'BWFW *'"]),
        ([device(firmware=None)], ["firmware of mem0 (serial 0x1) is '', not 'BWFW *'"]),
        ([], ["the run found no CXL memory device"]),
    ],
)
def test_what_was_found(tmp_path: Path, devices: list[dict[str, Any]], expected: list[str]) -> None:
    path = tmp_path / "m1.toml"
    path.write_text(GOOD)
    found = list(profile.load(path).mismatches(devices))
    assert found == [f"profile m1: {text}" for text in expected]
