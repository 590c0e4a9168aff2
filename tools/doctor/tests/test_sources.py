# SPDX-License-Identifier: GPL-2.0-only
"""What apt reads of its sources, and what it does not."""

from pathlib import Path

import pytest

from tools.doctor import packages, sources

LINE = "deb http://deb.debian.org/debian bookworm-backports main\n"
STANZA = "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm-backports\nComponents: main\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.list", LINE),
        ("a.list", f"# mine\n\n  {LINE}"),
        ("a.list", LINE.replace("deb ", "deb [ arch=amd64 signed-by=/x.gpg ] ").replace("\n", " # why\n")),
        ("a.sources", STANZA),
        ("a.sources", f"# mine\n{STANZA}Enabled: yes\n"),
        ("a.sources", STANZA.replace("Suites: ", "Suites: bookworm\n # of testing\n ")),
        ("a.sources", f"{STANZA.replace('bookworm-backports', 'x')}Enabled: no\n\n{STANZA}"),
        ("a.sources", STANZA.replace("Types: deb", "types: deb-src deb")),
        ("a.sources", STANZA.replace("URIs", "#URIs: http://snapshot\nURIs")),
    ],
)
def test_listed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert "bookworm-backports" in sources.suites(tmp_path / "none", tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.list", f"# {LINE}"),
        ("a.list", f"#{LINE}"),
        ("a.list", LINE.replace("deb ", "deb-src ")),
        ("a.list", LINE.replace("backports", "backports-sloppy")),
        ("a.list", "deb http://bookworm-backports.example/ bookworm main # bookworm-backports\n"),
        ("a.list.disabled", LINE),
        ("a.list~", LINE),
        ("a.sources.bak", STANZA),
        ("a b.list", LINE),
        ("a", LINE),
        ("a.sources", f"{STANZA}Enabled: no\n"),
        ("a.sources", f"{STANZA}enabled:  False\n\n{STANZA.replace('bookworm-backports', 'x')}"),
        ("a.sources", "".join(f"#{line}\n" for line in STANZA.splitlines())),
        ("a.sources", STANZA.replace("Types: deb", "Types: deb-src")),
        ("a.sources", LINE),
        ("a.list", STANZA),
    ],
)
def test_not_listed(tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(packages, "SOURCES", tmp_path / "none")
    monkeypatch.setattr(packages, "SOURCES_DIR", tmp_path)
    assert not packages.suite_listed("bookworm-backports")


def test_the_one_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINE)
    (tmp_path / "d.list").mkdir()
    assert sources.suites(tmp_path / "sources.list", tmp_path) == {"bookworm-backports"}
