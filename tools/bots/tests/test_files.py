# SPDX-License-Identifier: GPL-2.0-only
"""The files themselves: published schemas, shellcheck, and options that this suite has."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools.bots.tests.conftest import BOTS
from tools.cli import main

SCRIPTS = sorted(BOTS.glob("*/*.sh"))
PIPELINES = sorted([*BOTS.glob("*/*.yml"), *BOTS.glob("*/*.yaml")])
SCHEMAS = {
    "github/private-nodes.yml": ["vendor.github-workflows"],
    "gitlab/private-nodes.yml": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
}


def shells(node: object, key: str = "") -> Iterator[str]:
    """All shell in a document: what is under the keys that have it."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from shells(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from shells(value, key)
    elif isinstance(node, str) and key in ("run", "script", "before_script", "steps"):
        yield node


def shellcheck(path: Path) -> None:
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(autouse=True)
def tools_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_takes_it(name: str) -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[name], str(BOTS / name)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say_of_a_script(path: Path) -> None:
    shellcheck(path)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shellcheck_has_nothing_to_say_of_a_step(path: Path, tmp_path: Path) -> None:
    for number, text in enumerate(shells(YAML(typ="safe").load(path))):
        # Variables that are split into words: a step of GitLab's cannot say so itself.
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/bash\n# shellcheck disable=SC2086\n:\n{text}\n")
        shellcheck(tmp_path / f"{number}.sh")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `pnode ...` in the files and in README.md, without variables."""
    for path in [*PIPELINES, BOTS / "README.md"]:
        for line in path.read_text().splitlines():
            for found in re.findall(r"tools/pnode ((?:run|doctor|report|check|chaos)\b[^|`#;]*)", line):
                words = [word for word in shlex.split(found) if not word.startswith("$")]
                yield f"{path.name}: {found.strip()}", words
            for found in re.findall(r'PNODE_ARGS: "([^"]*)"', line):
                yield f"{path.name}: {found}", ["run", *shlex.split(found)]


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in commands()])
def test_every_command_is_one_that_the_suite_takes(words: list[str]) -> None:
    main.parse(words)


def test_there_are_commands() -> None:
    assert len(list(commands())) >= 6
