# SPDX-License-Identifier: GPL-2.0-only
"""Keys: made once, private, and nothing but ed25519 is taken for one."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.certificate import keys
from tools.errors import UserError

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
INFO = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()
OTHERS = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ec": ec.generate_private_key(ec.SECP256R1()),
}


def test_a_pair_signs_and_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        public = keys.new_pair(tmp_path / "key")
    finally:
        os.umask(old)
    assert public == tmp_path / "key.pub"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    signer, key = keys.private_key(tmp_path / "key"), keys.public_key(public)
    assert signer.public_key == key
    key.verify_signature(signer.sign(b"text"), b"text")
    # as every other tool reads it
    text = (tmp_path / "key").read_bytes()
    assert isinstance(serialization.load_pem_private_key(text, None), Ed25519PrivateKey)
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("name", ["key", "key.pub"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("dear")
    with pytest.raises(UserError, match=f"{name}: exists; keys are never overwritten"):
        keys.new_pair(tmp_path / "key")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "dear")]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--new-key .*none/key: No such file"):
        keys.new_pair(tmp_path / "none/key")


@pytest.mark.parametrize("kind", OTHERS)
def test_keys_of_another_kind(tmp_path: Path, kind: str) -> None:
    private, public = tmp_path / "key", tmp_path / "key.pub"
    private.write_bytes(OTHERS[kind].private_bytes(PEM, PKCS8, PLAIN))
    public.write_bytes(OTHERS[kind].public_key().public_bytes(PEM, INFO))
    for load, path in ((keys.private_key, private), (keys.public_key, public)):
        with pytest.raises(UserError, match="another kind of key; certificates are signed with ed25519"):
            load(path)


def test_one_for_the_other(tmp_path: Path) -> None:
    public = keys.new_pair(tmp_path / "key")
    with pytest.raises(UserError, match="the public key; a certificate is signed with the private one"):
        keys.private_key(public)
    with pytest.raises(UserError, match="a private key; checking takes the public one"):
        keys.public_key(tmp_path / "key")


def test_an_encrypted_key(tmp_path: Path) -> None:
    lock = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "key").write_bytes(Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, lock))
    with pytest.raises(UserError, match="encrypted; decrypt it first"):
        keys.private_key(tmp_path / "key")


@pytest.mark.parametrize("text", [b"", b"ssh-ed25519 AAAA", b"-----BEGIN PUBLIC KEY-----\nAAAA\n", b"\xff\0"])
def test_no_key_at_all(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(UserError, match="no private key in PEM"):
        keys.private_key(tmp_path / "key")
    with pytest.raises(UserError, match="no public key in PEM"):
        keys.public_key(tmp_path / "key")
    with pytest.raises(UserError, match="No such file"):
        keys.public_key(tmp_path / "none")
