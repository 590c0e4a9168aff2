# SPDX-License-Identifier: GPL-2.0-only
"""The DSSE envelope around a statement: sealed with one ed25519 signature, and opened with the public key.

Stricter than DSSE asks for: exactly one signature, and the envelope has to be the one that its contents
would be written as. So nothing outside of what is signed can be changed without notice, not even the spelling
of the base64. Source: https://github.com/secure-systems-lab/dsse, envelope.md and protocol.md.
"""

import json
from collections.abc import Mapping
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signer, SSlibKey

__all__ = ["PAYLOAD_TYPE", "BadEnvelope", "opened", "read_json", "seal"]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
FIELDS = {"payload", "payloadType", "signatures"}


class BadEnvelope(Exception):
    """It was not sealed with this key as it is now; the message says what is wrong."""


def seal(statement: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """Sign a statement; the result is what goes into the file, as JSON."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return dict(envelope.to_dict())


def opened(data: Mapping[str, Any], key: SSlibKey) -> Any:
    """The statement that this key signed. Raises BadEnvelope."""
    if set(data) != FIELDS:
        raise BadEnvelope(f"its fields are {', '.join(sorted(data))}, not {', '.join(sorted(FIELDS))}")
    if data["payloadType"] != PAYLOAD_TYPE:
        raise BadEnvelope(f"payloadType is {data['payloadType']!r}, not {PAYLOAD_TYPE}")
    signatures = data["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        count = len(signatures) if isinstance(signatures, list) else "no list of"
        raise BadEnvelope(f"it has {count} signatures; a certificate has exactly one")
    try:
        # The library takes the signatures apart in place.
        envelope = Envelope.from_dict(json.loads(json.dumps(data)))
        written = envelope.to_dict()
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadEnvelope(f"payload or signature is damaged: {error}") from None
    if written != data or set(signatures[0]) != {"keyid", "sig"}:
        raise BadEnvelope("it is not written as its contents would be: edited, or made by something else")
    try:
        envelope.verify([key], 1)
    except VerificationError:
        raise BadEnvelope(f"not signed by this key ({key.keyid[:16]}), or edited since") from None
    try:
        return read_json(envelope.payload)
    except ValueError as error:
        raise BadEnvelope(f"the payload is no JSON: {error}") from None


def read_json(data: bytes) -> Any:
    """Parse JSON in which no key comes twice: readers differ in which one counts. Raises ValueError."""
    return json.loads(data, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found
