# SPDX-License-Identifier: GPL-2.0-only
"""Device profiles: what a vendor says a device model is, to be compared with what a run found.

profiles/qemu-type3.toml is the documented example.
"""

import fnmatch
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from helpers.testmod.constants import Ops
from tools.errors import UserError

__all__ = ["FLAGS", "Profile", "load"]

#: Services of a private node, NP_OPS_* of the interface without the prefix.
FLAGS = tuple(flag.name for flag in Ops if flag.name)
_PCI_ID = re.compile(r"0x[0-9a-f]{4}")
_KEYS = ("vendor", "device", "model", "firmware", "flags")


@dataclass(frozen=True)
class Profile:
    """One model. PCI ids as in sysfs (0x8086); `firmware` is a shell pattern; `flags` are what its driver
    opens, and are the vendor's word."""

    name: str
    vendor: str
    device: str
    model: str
    firmware: str
    flags: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """As it stands in a certificate."""
        return asdict(self) | {"flags": list(self.flags)}

    def mismatches(self, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """What a run found that is not this model, a line each; one, too, when it found no device."""
        if not found:
            yield f"profile {self.name}: the run found no CXL memory device"
        for one in found:
            which = f"{one['name']} (serial {one['serial']})"
            for key, wanted in (("vendor", self.vendor), ("device", self.device)):
                if one[key] != wanted:
                    yield f"profile {self.name}: {key} of {which} is {one[key]}, not {wanted}"
            firmware = one["firmware"] or ""
            if not fnmatch.fnmatchcase(firmware, self.firmware):
                yield f"profile {self.name}: firmware of {which} is {firmware!r}, not {self.firmware!r}"


def load(path: Path) -> Profile:
    """Read a profile: a TOML file with one table, named as the file is. Raises UserError naming the key."""
    where = f"--profile {path}"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{where}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: {error}") from None
    if set(data) != {path.stem} or not isinstance(row := data[path.stem], dict):
        raise UserError(f"{where}: must hold one table, [{path.stem}]")
    for key in row:
        if key not in _KEYS:
            raise UserError(f"{where}: unknown key {key!r} (known: {', '.join(_KEYS)})")
    for key in _KEYS:
        if key not in row:
            raise UserError(f"{where}: {key} is missing")
    for key in ("vendor", "device", "model", "firmware"):
        if not isinstance(row[key], str) or not row[key].strip():
            raise UserError(f"{where}: {key} must be a text")
    for key in ("vendor", "device"):
        if not _PCI_ID.fullmatch(row[key]):
            raise UserError(f"{where}: {key} is {row[key]!r}, not a PCI id such as 0x8086")
    flags = row["flags"]
    if not isinstance(flags, list) or len(set(map(str, flags))) != len(flags):
        raise UserError(f"{where}: flags must be a list in which nothing comes twice")
    for flag in flags:
        if flag not in FLAGS:
            raise UserError(f"{where}: unknown flag {flag!r} (known: {', '.join(FLAGS)})")
    return Profile(path.stem, row["vendor"], row["device"], row["model"], row["firmware"], tuple(flags))
