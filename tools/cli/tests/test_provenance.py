# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a kernel's source, and the way into run-start."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers import catalogue
from tools.cli import certify, provenance, run
from tools.cli import main as cli
from tools.cli.certify import Request
from tools.cli.provenance import Provenance
from tools.cli.subject import Subject
from tools.cli.tests.test_run import parse
from tools.errors import UserError
from tools.kernel import recipe, tree
from tools.kernel.flavour import load
from tools.report.readers.record import schema
from tools.report.tests import strict

HASH = "0F" * 32
WORDS = [
    *("--kernel", "K", "--build", "B", "--series", "v5", "--message-id", "<2026.1-1-name@example.org>"),
    *("--patchset-hash", HASH, "--tree", "mm-unstable", "--git-url", "https://git.kernel.org/mm.git"),
    *("--git-branch", "mm", "--git-commit", "0f" * 20),
    *("--kcidb-origin", "lab_1", "--files-url", "https://example.org/runs/1"),
]


def test_all_of_it_is_taken() -> None:
    found = parse(*WORDS)
    assert found.source == Provenance(
        "v5",
        "2026.1-1-name@example.org",
        HASH.lower(),
        "mm-unstable",
        "https://git.kernel.org/mm.git",
        "mm",
        "0f" * 20,
    )
    assert (found.origin, found.files_url) == ("lab_1", "https://example.org/runs/1/")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--message-id", "no id"], "must be a Message-ID"),
        (["--message-id", "a@b c"], "must be a Message-ID"),
        (["--patchset-hash", "0f"], "must be 64 hexadecimal digits, as of sha256sum"),
        (["--git-commit", "v6.12"], "must be 40 hexadecimal digits, as of git rev-parse HEAD"),
        (["--git-url", "git://git.kernel.org/mm.git"], "must begin with https://"),
        (["--files-url", "example.org"], "must be an address"),
        (["--files-url", "https://a b"], "must be an address"),
        (["--kcidb-origin", "my-lab"], "KCIDB takes a-z, 0-9 and _ only"),
        (["--series", "v\n5"], "one line of printable ASCII"),
    ],
)
def test_what_kcidb_would_not_take_is_one_line(
    words: Sequence[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.parse(["run", "--here", *words])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_nobody_else_says_what_the_reference_kernel_is() -> None:
    with pytest.raises(UserError, match="what somebody's kernel was made from: name it by"):
        parse("--series", "v5")
    assert not parse("--flavour", "debug", "--kcidb-origin", "lab").source
    assert parse("--here", "--series", "v5").source.series == "v5"


def subject(directory: Path, reference: bool) -> Subject:
    """A kernel whose image is any file."""
    image = directory / "bzImage"
    image.write_bytes(b"kernel")
    (directory / ".config").write_text('CONFIG_CC_VERSION_TEXT="gcc (Debian) 12.2.0"\nCONFIG_NUMA=y\n')
    base = "linux-source-6.12 6.12.117-1" if reference else None
    return Subject(image, directory, "6.12.117-pnode", "6.12.117-pnode #1", reference=reference, base=base)


@pytest.mark.parametrize("reference", [False, True])
def test_run_start_has_every_field_of_the_schema(tmp_path: Path, reference: bool) -> None:
    kernel = subject(tmp_path, reference)
    request = parse() if reference else parse(*WORDS)
    plan = certify.Plan((), {"fast": [], "cxl": []}, load())
    event = certify.start_event(request, tmp_path, plan, kernel, catalogue.load())
    event = {"event": "run-start", "dialect": "v4", **event}
    assert strict.errors([event]) == []
    fields = schema()["$defs"]["run-start"]["properties"]
    assert event.keys() == {"event", "time", *fields}
    for name in ("kernel", "source"):
        assert dict(event[name]).keys() == fields[name]["properties"].keys()  # type: ignore[call-overload]


def test_run_start_tells_what_is_known_by_itself(tmp_path: Path) -> None:
    event = subject(tmp_path, reference=True).event()
    assert (event["architecture"], event["compiler"]) == ("x86_64", "gcc (Debian) 12.2.0")
    assert event["config_sha256"] == recipe.digest(tmp_path / ".config")
    assert subject(tmp_path, reference=True).source() == {
        "base": "linux-source-6.12 6.12.117-1",
        "patchset_hash": recipe.patchset_hash(recipe.patches()),
    }
    assert subject(tmp_path, reference=False).source() == {}
    alone = Subject(tmp_path / "bzImage", None, "6.12", "6.12 #1").event()
    assert (alone["config_sha256"], alone["compiler"]) == (None, None)


def test_a_patchset_is_named_as_kcidb_does(tmp_path: Path) -> None:
    patches = [tmp_path / name for name in ("0001-a.patch", "0002-b.patch")]
    for path in patches:
        path.write_text(path.name)
    # sha256sum *.patch | cut -c-64 | sha256sum
    assert recipe.patchset_hash(patches) == "6146f26ac7d6b4f9688db084d0c591ed73c5267073cc2c3db93cb72a001c6ba0"
    assert recipe.patchset_hash(patches[::-1]) != recipe.patchset_hash(patches)


def test_a_configuration_without_its_compiler(tmp_path: Path) -> None:
    path = tmp_path / ".config"
    path.write_text("CONFIG_NUMA=y\n")
    assert tree.compiler(path) is None


def test_the_defaults_are_those_of_a_request() -> None:
    assert run.request(cli.parse(["run"])[1], ["run"]) == Request(argv=("run",))
    assert provenance.url("https://a/b//") == "https://a/b/"
