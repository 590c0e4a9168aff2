# SPDX-License-Identifier: GPL-2.0-only
"""Ed25519 keys in PEM files: the private one PKCS #8, the public one SubjectPublicKeyInfo (RFC 8410).

These are what `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write, too.
"""

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from tools.errors import UserError

__all__ = ["new_pair", "private_key", "public_key"]

_PUBLIC = ".pub"


def new_pair(path: Path) -> Path:
    """Make a pair: `path`, readable by its owner only, and `path`.pub, whose path is returned.

    Raises UserError when one of them exists, FileNotFoundError and the like as the system gives them.
    """
    public = path.with_name(path.name + _PUBLIC)
    key = Ed25519PrivateKey.generate()
    private_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_text = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    made: list[Path] = []
    try:
        for file, text, mode in ((path, private_text, 0o600), (public, public_text, 0o644)):
            _write_new(file, text, mode, made)
    except BaseException:
        for file in made:
            file.unlink(missing_ok=True)
        raise
    return public


def _write_new(path: Path, text: bytes, mode: int, made: list[Path]) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise UserError(f"--new-key {path}: exists; keys are never overwritten, give another name") from None
    except OSError as error:
        raise UserError(f"--new-key {path}: {error.strerror}") from error
    made.append(path)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        os.fsync(handle)


def private_key(path: Path) -> CryptoSigner:
    """What signs with the key in a file. Raises UserError for anything but an unencrypted ed25519 key."""
    data = _read(path)
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        if isinstance(serialization.load_pem_public_key(data), Ed25519PublicKey):
            raise UserError(f"--key {path}: the public key; a certificate is signed with the private one")
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise UserError(f"--key {path}: encrypted; decrypt it first (openssl pkey)") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(f"--key {path}: no private key in PEM; make one with --new-key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"--key {path}: another kind of key; certificates are signed with ed25519")
    return CryptoSigner(key)


def public_key(path: Path) -> SSlibKey:
    """The key that a certificate is checked with. Raises UserError for anything but a public ed25519 key."""
    data = _read(path)
    if b"PRIVATE KEY" in data:
        raise UserError(f"--key {path}: a private key; checking takes the public one (FILE{_PUBLIC})")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise UserError(f"--key {path}: no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"--key {path}: another kind of key; certificates are signed with ed25519")
    return SSlibKey.from_crypto(key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"--key {path}: {error.strerror}") from None
