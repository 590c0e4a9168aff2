# SPDX-License-Identifier: GPL-2.0-only
"""The test module's ABI, parsed by cffi from pnode_test.h: no compiler on the machine under test.

The header is made for this: enums and structs of fixed-width integers, explicit padding. Preprocessor lines
are dropped; the request macros among them follow one rule, so their numbers are computed here from
`enum pnt_nr`, the direction and the size of the struct (asm-generic/ioctl.h).
"""

import re
from pathlib import Path
from typing import Any, Final

import cffi

HEADER: Final = Path(__file__).with_name("pnode_test.h")
DEVICE: Final = "/dev/pnode_test"

_TYPES = """
typedef uint32_t __u32; typedef int32_t __s32; typedef uint64_t __u64; typedef int64_t __s64;
"""
_REQUEST = re.compile(r"^#define\s+(PNT_\w+)\s+(_IO\w*)\(PNT_IOC_MAGIC,\s*(PNT_NR_\w+),\s*struct (\w+)\)$")
_DIRECTION = {"_IOW": 1, "_IOR": 2, "_IOWR": 3}

IOC_WRITE: Final = 1
IOC_READ: Final = 2


def _load() -> tuple[Any, str]:
    text = HEADER.read_text(encoding="ascii")
    ffi = cffi.FFI()
    ffi.cdef(_TYPES + "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return ffi, text


ffi, _text = _load()


def _enumerators() -> dict[str, dict[str, int]]:
    """All enums of the header: name -> enumerator -> value."""
    names = re.findall(r"^enum (\w+) \{", _text, re.M)
    return {name: dict(ffi.typeof(f"enum {name}").relements) for name in names}


ENUMS: Final = _enumerators()
CONSTANTS: Final[dict[str, int]] = {key: value for enum in ENUMS.values() for key, value in enum.items()}


def ioc(direction: int, number: int, size: int, magic: int = CONSTANTS["PNT_IOC_MAGIC"]) -> int:
    """An ioctl request number (asm-generic/ioctl.h: 8 bits number, 8 type, 14 size, 2 direction)."""
    return direction << 30 | size << 16 | magic << 8 | number


class Request:
    """One ioctl: its name without PNT_, request number and struct."""

    def __init__(self, name: str, direction: int, number: int, struct: str) -> None:
        self.name = name
        self.struct = struct
        self.index = number
        self.size: int = ffi.sizeof(f"struct {struct}")
        self._pointer = ffi.typeof(f"struct {struct} *")  # by its name it would be looked up each time
        self.number = ioc(direction, number, self.size)

    def new(self, **fields: Any) -> Any:
        """A zeroed struct with some fields set; OverflowError when a value does not fit its field."""
        return ffi.new(self._pointer, fields)

    def __repr__(self) -> str:
        return f"<{self.name} {self.number:#x} struct {self.struct}>"


def _requests() -> dict[str, Request]:
    found: dict[str, Request] = {}
    for line in _text.splitlines():
        if match := _REQUEST.match(line):
            macro, direction, number, struct = match.groups()
            name = macro.removeprefix("PNT_")
            found[name] = Request(name, _DIRECTION[direction], CONSTANTS[number], struct)
    return found


REQUESTS: Final = _requests()
