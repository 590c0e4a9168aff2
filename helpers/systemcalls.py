# SPDX-License-Identifier: GPL-2.0-only
"""System calls about the whole machine: swap, mounts, modules."""

import os

from helpers.rawcall import call, string_argument


def swapon(path: str | os.PathLike[str], flags: int = 0) -> None:
    keep, pointer = string_argument(path)
    call("swapon", pointer, flags)
    del keep


def swapoff(path: str | os.PathLike[str]) -> None:
    keep, pointer = string_argument(path)
    call("swapoff", pointer)
    del keep


def mount(
    source: str, target: str | os.PathLike[str], fstype: str, flags: int = 0, data: str | int = 0
) -> None:
    strings = [
        string_argument(source),
        string_argument(target),
        string_argument(fstype),
        string_argument(data),
    ]
    call("mount", strings[0][1], strings[1][1], strings[2][1], flags, strings[3][1])


def umount(target: str | os.PathLike[str], flags: int = 0) -> None:
    keep, pointer = string_argument(target)
    call("umount2", pointer, flags)
    del keep


def finit_module(fd: int, params: str = "", flags: int = 0) -> None:
    keep, pointer = string_argument(params)
    call("finit_module", fd, pointer, flags)
    del keep


def delete_module(name: str, flags: int = os.O_NONBLOCK) -> None:
    """Unloads a module. EWOULDBLOCK when it is in use."""
    keep, pointer = string_argument(name)
    call("delete_module", pointer, flags)
    del keep
