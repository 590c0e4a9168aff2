# SPDX-License-Identifier: GPL-2.0-only
"""A certificate that was changed in any one place is not good."""

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey

from tools.certificate import envelope, statement, verify
from tools.certificate.statement import EXTENSION
from tools.certificate.tests.conftest import ISSUED, ROWS, TODAY, Record, overlooking, start
from tools.errors import UserError
from tools.report.events import Outcome

Json = dict[str, Any]
Path_ = tuple[str | int, ...]

OWN = ("predicate", EXTENSION)


def wrong(data: Json, signer: CryptoSigner, results: Path | None = None, today: date = TODAY) -> list[str]:
    key = signer.public_key
    assert isinstance(key, SSlibKey)
    return verify.complaints(data, key, today, results)[0]


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Hundreds of checks, and the catalogue is the same each time."""
    found = verify.catalogue.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify.catalogue, "load", lambda: found)
        yield


def leaves(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Where each value is that is no container, and each empty container."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner:
        yield at
    for key, one in inner:
        yield from leaves(one, (*at, key))


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Where each field and list entry is."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from places(one, (*at, key))


def get(value: Any, at: Path_) -> Any:
    for key in at:
        value = value[key]
    return value


def flipped(value: Any, at: Path_) -> Any:
    """A copy with another value at a place, of the same kind and form as far as there is one."""
    changed = copy.deepcopy(value)
    get(changed, at[:-1])[at[-1]] = other(get(changed, at))
    return changed


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        # the last digit or letter, so that dates and ids stay ones
        index = next((i for i in reversed(range(len(value))) if value[i].isalnum()), None)
        if index is None:
            return f"{value}x"
        return value[:index] + ("1" if value[index] == "0" else "0") + value[index + 1 :]
    if value is None:
        return 1
    return [*value, "x"] if isinstance(value, list) else {**value, "x": 1}


def dropped(value: Any, at: Path_) -> Any:
    changed = copy.deepcopy(value)
    del get(changed, at[:-1])[at[-1]]
    return changed


def resealed(sealed: Json, told: Json) -> Json:
    """The payload changed under the signature as it was."""
    payload = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return {**sealed, "payload": base64.b64encode(payload).decode()}


def test_a_good_certificate(sealed: Json, record: Record, signer: CryptoSigner) -> None:
    assert wrong(sealed, signer) == []
    assert wrong(sealed, signer, record.path) == []
    assert wrong(json.loads(json.dumps(sealed)), signer) == []


def test_the_order_of_the_catalogue_does_not_matter(record: Record, signer: CryptoSigner) -> None:
    record.rows = [*ROWS[3:], *ROWS[:3]]
    told = statement.build(record.load(), statement.Issue(ISSUED))
    assert told["predicate"]["passedTests"] == [row.id for row in ROWS[:7]]
    assert wrong(envelope.seal(told, signer), signer, record.path) == []


def test_the_signature_is_that_of_dsse(sealed: Json, signer: CryptoSigner) -> None:
    """Made by hand from the protocol's text: PAE, then plain ed25519."""
    payload = base64.b64decode(sealed["payload"])
    kind = b"application/vnd.in-toto+json"
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    public = bytes.fromhex(signer.public_key.keyval["public"])  # type: ignore[attr-defined]
    signature = base64.b64decode(sealed["signatures"][0]["sig"])
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def test_any_field_changed_under_the_old_signature(sealed: Json, told: Json, signer: CryptoSigner) -> None:
    at = list(leaves(told))
    assert len(at) > 100
    for place in at:
        assert wrong(resealed(sealed, flipped(told, place)), signer), place
    for place in places(told):
        assert wrong(resealed(sealed, dropped(told, place)), signer), place


def test_any_field_changed_and_signed_by_another(
    told: Json, signer: CryptoSigner, stranger: CryptoSigner
) -> None:
    keyid = signer.public_key.keyid[:16]
    for place in leaves(told):
        found = wrong(envelope.seal(flipped(told, place), stranger), signer)
        assert found == [f"envelope: not signed by this key ({keyid}), or edited since"]


def test_signed_by_another_under_the_name_of_the_key(
    told: Json, signer: CryptoSigner, stranger: CryptoSigner
) -> None:
    forged = envelope.seal(told, stranger)
    forged["signatures"][0]["keyid"] = signer.public_key.keyid
    assert wrong(forged, signer)[0].startswith("envelope: not signed by this key")


#: What the issuer says and no record shows: only who signs can change it.
WORD = ("issued", "waivers", "profile")


def test_any_field_changed_and_signed_by_the_issuer_does_not_fit_the_record(
    told: Json, record: Record, signer: CryptoSigner
) -> None:
    """What is said can also be seen in the record: not even the holder of the key can say something else."""
    checked = 0
    for place in leaves(told):
        if place[:3] in [("predicate", EXTENSION, word) for word in WORD] or place == ("predicate", "url"):
            continue
        changed = flipped(told, place)
        assert wrong(envelope.seal(changed, signer), signer, record.path), place
        checked += 1
    assert checked > 80


@pytest.mark.parametrize(
    "place", [("exceptions", 0), ("exceptions", 0, "splats", 0), ("exceptions", 0, "splats", 1)]
)
def test_what_was_overlooked_cannot_be_hushed_up(
    told: Json, record: Record, signer: CryptoSigner, place: Path_
) -> None:
    changed = dropped(told, (*OWN, *place))
    assert wrong(envelope.seal(changed, signer), signer, record.path)


def test_exceptions_alone_do_not_let_it_be_passed(record: Record, signer: CryptoSigner) -> None:
    told = statement.build(record.load(overlooking), statement.Issue(ISSUED))
    assert wrong(envelope.seal(told, signer), signer, record.path) == []
    told["predicate"]["result"] = "PASSED"
    assert wrong(envelope.seal(told, signer), signer) == [
        "result: PASSED does not follow from the requirements"
    ]


def test_more_rounds_make_it_no_less_whole(record: Record, signer: CryptoSigner) -> None:
    def change(events: list[Json]) -> None:
        start(events)["selection"] = ["--repeat=3"]

    told = statement.build(record.load(change), statement.Issue(ISSUED))
    assert told["predicate"]["result"] == "PASSED"
    assert wrong(envelope.seal(told, signer), signer, record.path) == []


def test_a_choice_of_tests(record: Record, signer: CryptoSigner) -> None:
    def change(events: list[Json]) -> None:
        start(events)["selection"] = ["-k", "not policy"]

    told = statement.build(record.load(change), statement.Issue(ISSUED))
    assert wrong(envelope.seal(told, signer), signer, record.path) == []
    whole = copy.deepcopy(told)
    get(whole, OWN)["partial"], whole["predicate"]["result"] = False, "PASSED"
    (line,) = wrong(envelope.seal(whole, signer), signer)
    assert line.startswith("complete: whether it is partial does not follow")
    get(whole, (*OWN, "run"))["selection"] = []
    assert wrong(envelope.seal(whole, signer), signer) == []  # whole in itself, and not what the record says
    assert len(wrong(envelope.seal(whole, signer), signer, record.path)) == 3


def test_any_field_left_out_is_missed(told: Json, signer: CryptoSigner) -> None:
    """Optional ones aside, of which some are needed by others."""
    optional = {"url", "profile", "version", "flavour", "series", "message_id", "git_commit"}
    optional |= {"build_id", "compiler"}
    lists = ("arguments", "devices", "flags")
    for place in places(told):
        if place[-1] in optional or any(name in place[:-1] for name in lists):
            continue
        if place[-2:-1] in {("exceptions",), ("splats",)}:
            continue  # how many there are is in the record
        assert wrong(envelope.seal(dropped(told, place), signer), signer), place


@pytest.mark.parametrize(
    ("place", "value", "check"),
    [
        (("predicate", "result"), "PASSED", "result"),
        (("predicate", "passedTests"), ["CXL-03"], "result"),
        (("predicate", "warnedTests"), [], "result"),
        (("predicate", "failedTests"), ["CXL-03"], "result"),
        (("predicate", "configuration", 0, "uri"), "pkg:generic/other@1", "configuration"),
        (("subject", 0, "digest", "sha256"), "0" * 64, "subject"),
        (("subject", 1, "name"), "results.json", "subject"),
        (("predicateType",), "https://in-toto.io/attestation/test-result/v0.2", "schema"),
        (("_type",), "https://in-toto.io/Statement/v0.1", "schema"),
        (("predicate", "result"), "passed", "schema"),
        (("predicate", "more"), 1, "schema"),
    ],
)
def test_what_contradicts_itself(
    told: Json, signer: CryptoSigner, place: Path_, value: Any, check: str
) -> None:
    get(told, place[:-1])[place[-1]] = value
    assert wrong(envelope.seal(told, signer), signer)[0].startswith(f"{check}: ")


EMPTY: Json = {"accelerator": "kvm", "armed": [], "devices": [], "tests": {}}


@pytest.mark.parametrize(
    ("place", "value", "check"),
    [
        (("requirements", "CXL-03", "verdict"), "PASS", "requirements: CXL-03 is FAIL by its tests"),
        (("requirements", "CXL-03", "tests"), {"cxl-pair": {"PASS": 5}}, "requirements: CXL-03 is PASS"),
        (("requirements", "CXL-03", "level"), "should", None),  # waived, so it makes no difference here
        (("requirements", "CXL-02", "tests"), {"fast": {"PASS": 6}}, "requirements: CXL-02 has tests on fa"),
        (("requirements", "CXL-02", "tests", "cxl-pair", "PASS"), 36, "requirements: CXL-02 has more tests"),
        (("requirements", "CXL-08", "tests"), {}, "requirements: cxl-pair has tests that are SKIP and of no"),
        (("catalogue", "requirements"), 7, "catalogue: 8 requirements, not 7"),
        (("topologies", "cxl-pair", "armed"), ["gate_bulk"], "armed: cxl-pair ran with gate_bulk"),
        (("topologies", "cxl-pair", "tests", "MISS"), 1, "complete: cxl-pair has tests that are MISS"),
        (("topologies", "cxl-pair", "tests", "FLAKY"), 1, "complete: cxl-pair has tests that are F"),
        (("topologies", "fast"), EMPTY, "complete: no test ran on fast"),
        (("partial",), True, "result: WARNED|complete: whether it is partial"),
        (("suite", "clean"), False, "suite: whether it is clean"),
        (("suite", "version"), "0.1.0", "configuration: not the suite"),
        (("dialect",), "d1", "dialect: d1 is not certified"),
        (("profile", "vendor"), "0x1234", "profile qemu-type3: vendor of mem0"),
        (("waivers", 0, "requirement"), "CXL-04", "result: "),
        (("waivers", 0, "requirement"), "XYZ-01", "result: "),
        (("waivers", 0, "expires"), "2026-02-31", "waivers: CXL-03: day is out of range"),
        (("waivers", 0, "expires"), "2026-11-25", "waivers: CXL-03 had expired when the cert"),
        (("waivers", 0, "reason"), "", "schema: "),
        (("issued",), "2026-13-26T08:00:00Z", "waivers: CXL-03: month must be in"),
    ],
)
def test_what_the_certificate_itself_shows(
    told: Json, signer: CryptoSigner, place: Path_, value: Any, check: str | None
) -> None:
    """Signed by the issuer, and checked without the record."""
    get(told, (*OWN, *place[:-1]))[place[-1]] = value
    found = wrong(envelope.seal(told, signer), signer)
    if check is None:
        assert found == []
    else:
        assert any(line.startswith(tuple(check.split("|"))) for line in found), found


def test_an_outcome_that_this_suite_does_not_know(
    told: Json, signer: CryptoSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a newer suite, whose schema allows it: not good, whatever it means."""
    get(told, (*OWN, "requirements", "CXL-02", "tests", "cxl-pair"))["NEW"] = 1
    schema = json.loads(verify.SCHEMA.read_text())
    schema["$defs"]["tally"]["properties"]["NEW"] = {}
    monkeypatch.setattr(verify, "_validator", lambda: verify.jsonschema.Draft202012Validator(schema))
    assert wrong(envelope.seal(told, signer), signer) == ["requirements: 'NEW' is not a valid Outcome"]


def test_the_schema_has_all_outcomes() -> None:
    schema = json.loads(verify.SCHEMA.read_text())["$defs"]
    assert set(Outcome) - {Outcome.NONE} <= set(schema["tally"]["properties"])
    verdicts = schema["certificate"]["properties"]["requirements"]["additionalProperties"]["properties"]
    assert set(Outcome) <= set(verdicts["verdict"]["enum"])


def test_a_waiver_twice(told: Json, signer: CryptoSigner) -> None:
    waivers = get(told, (*OWN, "waivers"))
    waivers.append(waivers[0])
    assert "waivers: CXL-03 comes twice" in wrong(envelope.seal(told, signer), signer)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 12, 31), []),
        (date(2027, 1, 1), ["waivers: CXL-03 expired on 2026-12-31"]),
    ],
)
def test_a_waiver_expires(sealed: Json, signer: CryptoSigner, today: date, expected: list[str]) -> None:
    assert wrong(sealed, signer, today=today) == expected


def test_levels_are_those_of_the_catalogue_when_that_is_here(
    told: Json, signer: CryptoSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known(dict[str, verify.Row]):
        hash = get(told, (*OWN, "catalogue", "sha256"))

    rows = {row.id: row for row in verify.rows(get(told, OWN))}
    monkeypatch.setattr(verify.catalogue, "load", lambda: Known(rows))
    assert wrong(envelope.seal(told, signer), signer) == []
    monkeypatch.setattr(
        verify.catalogue, "load", lambda: Known(rows | {"CXL-02": verify.Row("CXL-02", "should")})
    )
    assert wrong(envelope.seal(told, signer), signer) == [
        "catalogue: ids and levels of its requirements are not those of the catalogue it names"
    ]


def bytes_flipped(sealed: Json) -> Iterator[Json]:
    """Each character of payload and signature replaced by another one of base64."""
    for place in (("payload",), ("signatures", 0, "sig")):
        text = get(sealed, place)
        for index in {*range(0, len(text), 97), *range(len(text) - 4, len(text))}:
            letter = "A" if text[index] != "A" else "B"
            changed = copy.deepcopy(sealed)
            get(changed, place[:-1])[place[-1]] = text[:index] + letter + text[index + 1 :]
            yield changed


def test_any_character_changed(sealed: Json, signer: CryptoSigner) -> None:
    for changed in bytes_flipped(sealed):
        assert wrong(changed, signer)[0].startswith("envelope: ")


def url_safe(text: str) -> str:
    """The same bytes in the other base64."""
    return text.replace("+", "-").replace("/", "_")


def spare_bits(text: str) -> str:
    """Other base64 of the same bytes: bits of the last letter that do not count."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    assert body != text
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + text[len(body) :]


ENVELOPES: dict[str, Callable[[Json], object]] = {
    "truncated payload": lambda e: e.update(payload=e["payload"][:-5]),
    "payload cut at a multiple of four": lambda e: e.update(payload=e["payload"][:-8]),
    "empty payload": lambda e: e.update(payload=""),
    "payload that is no text": lambda e: e.update(payload=5),
    "truncated signature": lambda e: e["signatures"][0].update(sig=e["signatures"][0]["sig"][:-3]),
    "empty signature": lambda e: e["signatures"][0].update(sig=""),
    "signature in the other base64": lambda e: e["signatures"][0].update(sig=url_safe("+" + "A" * 87)),
    "spare bits": lambda e: e["signatures"][0].update(sig=spare_bits(e["signatures"][0]["sig"])),
    "spaces": lambda e: e.update(payload=e["payload"] + "\n"),
    "payloadType": lambda e: e.update(payloadType="application/json"),
    "payloadType null": lambda e: e.update(payloadType=None),
    "no signature": lambda e: e.update(signatures=[]),
    "signatures null": lambda e: e.update(signatures=None),
    "signature no object": lambda e: e.update(signatures=["x"]),
    "the same signature twice": lambda e: e["signatures"].append(dict(e["signatures"][0])),
    "a second signature": lambda e: e["signatures"].append({"keyid": "ab", "sig": "QUJD"}),
    "another keyid": lambda e: e["signatures"][0].update(keyid="ab"),
    "no keyid": lambda e: e["signatures"][0].pop("keyid"),
    "a field more": lambda e: e.update(comment="x"),
    "a field more in the signature": lambda e: e["signatures"][0].update(comment="x"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_envelopes(sealed: Json, signer: CryptoSigner, name: str) -> None:
    ENVELOPES[name](sealed)
    (line,) = wrong(sealed, signer)
    assert line.startswith("envelope: ")
    assert "\n" not in line


def test_two_good_signatures(sealed: Json, told: Json, signer: CryptoSigner, stranger: CryptoSigner) -> None:
    """Whose certificate is it? Nothing in it says."""
    sealed["signatures"] += envelope.seal(told, stranger)["signatures"]
    assert wrong(sealed, signer) == ["envelope: it has 2 signatures; a certificate has exactly one"]


def test_a_key_twice_in_the_payload(told: Json, signer: CryptoSigner) -> None:
    """Readers differ in which one counts, so it must not even be signed."""

    class Twice(dict[str, Any]):
        def items(self) -> Any:
            return [*super().items(), ("_type", "other")]

    payload = json.dumps(Twice(told), separators=(",", ":")).encode()
    one = Envelope(payload, envelope.PAYLOAD_TYPE, {})
    one.sign(signer)
    assert wrong(one.to_dict(), signer) == ["envelope: the payload is no JSON: a key comes twice"]


def test_another_record(sealed: Json, record: Record, signer: CryptoSigner) -> None:
    record.path.write_text(record.path.read_text() + "\n")
    assert wrong(sealed, signer, record.path)[0].startswith("results: sha256 ")


def test_a_record_that_does_not_bear_it(told: Json, record: Record, signer: CryptoSigner) -> None:
    """The record has a failure that the statement hides, and its digest is right."""

    def change(events: list[Json]) -> None:
        for event in events:
            if event["event"] == "test" and "test_distances" in event["nodeid"]:
                event["outcome"] = "FAIL"
        events[:] = [event for event in events if event["event"] != "machine"]

    path = record.write(change)
    told["subject"][1]["digest"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (line,) = wrong(envelope.seal(told, signer), signer, path)
    assert line.startswith("results: the record does not tell what machine cxl-pair was")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"payload": "", "payloadType": ""}', "[" * 100_000])
def test_what_is_no_certificate(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(UserError, match=r"file\.json: (not JSON|no DSSE envelope)"):
        verify.read(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        verify.read(tmp_path / "none")
