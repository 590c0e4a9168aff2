# SPDX-License-Identifier: GPL-2.0-only
"""Which form of the interface a kernel speaks, told from files alone.

Every respin of the series changed its interface; a certificate is worth something only when it names the form
it was given for. A kernel that has something of the kind but no form known here is "unknown", one without any
is "none": neither is certified, and neither is mistaken for the other.
"""

from helpers import paths

__all__ = ["DIALECTS", "NONE", "SUPPORTED", "UNKNOWN", "detect_dialect", "refusal", "signs"]

#: What each form is, oldest first; c1 and c2 look the same from outside and are found as c2.
DIALECTS = {
    "v4": "RFC v4 of 2026-02-22: NP_OPS flags, __GFP_PRIVATE",
    "b0": "the first anondax branch: NODE_PRIVATE_CAP with TIERING",
    "v5": "v5 of 2026-07-20: NODE_PRIVATE_CAP, private switch of kmem devices",
    "b2": "the branch after v5: nodeN/mem_features",
    "b3": "two branches after v5: has_fallback_memory",
    "c1": "NODE_MEMORY_FEAT, nine bits: has_public_memory",
    "c2": "NODE_MEMORY_FEAT, reduced: has_public_memory",
    "d1": "common memory with user placement: has_common_memory, has_user_memory",
    "d2": "common memory without user placement: has_common_memory",
}
#: Forms that the tests certify.
SUPPORTED = ("v4",)
NONE, UNKNOWN = "none", "unknown"
_STOCK = {"has_cpu", "has_memory", "has_normal_memory", "has_high_memory", "has_generic_initiator"}
#: Lists that tell a form by themselves; a kernel may still have those of an earlier one.
_TELLING = {"has_common_memory", "has_public_memory", "has_fallback_memory", "has_private_memory"}
#: ... and forms that have this one beside them.
_WITH_USER_MEMORY = {"b3", "c2", "d1"}


def signs() -> list[str]:
    """Files that show a form of the interface: node lists that no released kernel has, mem_features."""
    found = sorted(path.name for path in paths.nodes().glob("has_*") if path.name not in _STOCK)
    return [*found, "mem_features"] if any(paths.nodes().glob("node[0-9]*/mem_features")) else found


def detect_dialect() -> str:
    """One of DIALECTS, "unknown", or "none".

    The order matters: each later form is looked for first, because node lists changed meaning between forms.
    """
    found = signs()
    name = _closest(found)
    strange = set(found) - _TELLING - {"mem_features"}
    if name in _WITH_USER_MEMORY:
        strange.discard("has_user_memory")
    return UNKNOWN if strange else name


def _closest(found: list[str]) -> str:
    if "has_common_memory" in found:
        return "d1" if "has_user_memory" in found else "d2"
    if "has_public_memory" in found:
        return "c2"
    if "has_fallback_memory" in found:
        return "b3"
    if "mem_features" in found:
        return "b2"
    if "has_private_memory" not in found:
        return NONE
    dax = paths.SYS / "bus/dax"
    if (dax / "drivers/anondax").exists():
        return "b0"
    if any(dax.glob("devices/dax*/private")):
        return "v5"
    return "v4"


def refusal(dialect: str, found: list[str]) -> str | None:
    """Why a kernel of this dialect cannot be certified, as the end of a sentence that begins with the kernel;
    None when it can. `found` are its signs()."""
    certified = f"this suite certifies {', '.join(SUPPORTED)}"
    if dialect in SUPPORTED:
        return None
    if dialect == NONE:
        return (
            f"has no private memory nodes (no {paths.nodes() / 'has_private_memory'}, nor a later form of it)"
        )
    if dialect in DIALECTS:
        return f"speaks dialect {dialect} ({DIALECTS[dialect]}), which is not certified yet; {certified}"
    return (
        f"speaks a dialect unknown to this suite (it has {', '.join(found) or 'no sign of any'}); {certified}"
    )
