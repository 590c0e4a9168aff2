# SPDX-License-Identifier: GPL-2.0-only
"""Messages as lib/kobject_uevent.c writes them."""

from helpers.uevents import Uevent, parse


def test_a_message_of_the_kernel() -> None:
    path = "/devices/system/memory/memory32"
    data = f"add@{path}\0ACTION=add\0DEVPATH={path}\0SUBSYSTEM=memory\0SEQNUM=77\0".encode()
    assert parse(data) == Uevent("add", path, (("SUBSYSTEM", "memory"),))
    assert str(parse(data)) == f"add@{path}"


def test_a_message_of_a_daemon_is_passed_over() -> None:
    assert parse(b"libudev\0\xfe\xed\xca\xfe") is None
