# SPDX-License-Identifier: GPL-2.0-only
"""Which form of the interface a kernel speaks."""

from helpers import paths


def detect_dialect() -> str:
    """Which form of the interface the kernel speaks, told from files alone.

    d1, d2, c2, b3, b2, b0, v5, v4 or "none". The order matters: each later form is looked for
    first, because node lists changed meaning between forms. c1 and c2 look the same: "c2".
    """
    directory = paths.nodes()
    if (directory / "has_common_memory").exists():
        return "d1" if (directory / "has_user_memory").exists() else "d2"
    if (directory / "has_public_memory").exists():
        return "c2"
    if (directory / "has_fallback_memory").exists():
        return "b3"
    if any(directory.glob("node[0-9]*/mem_features")):
        return "b2"
    if not (directory / "has_private_memory").exists():
        return "none"
    dax = paths.SYS / "bus/dax"
    if (dax / "drivers/anondax").exists():
        return "b0"
    if any(dax.glob("devices/dax*/private")):
        return "v5"
    return "v4"
