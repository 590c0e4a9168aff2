# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a machine, so that it can be put back when the tests are killed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.knobs import SESSION_KNOBS
from helpers import failing, paths
from helpers.knobs import knob
from selftests.isolation.test_knobs import SETTINGS
from tools.hardware import settings
from tools.paths import ROOT

_POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
_OF_NODE = "/sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"
#: Names of knobs that are no literal, by module and expression: what they stand for.
SPELT_OUT = {
    ("fixtures/knobs.py", "name"): [name for name, _value in SESSION_KNOBS],
    ("helpers/failing.py", "_DEBUGFS / name"): [f"/sys/kernel/debug/{name}" for name, _ in failing._SETTINGS],
    **{
        ("helpers/failing.py", f"_DEBUGFS / site / '{name}'"): [
            f"/sys/kernel/debug/{site}/{name}" for site in failing._SITES
        ]
        for name in ("stacktrace-depth", "reject-start", "reject-end")
    },
    ("selftests/isolation/test_hugetlb.py", "str(attribute('nr_hugepages'))"): [_POOL],
    ("selftests/isolation/test_hugetlb.py", "str(attribute('nr_hugepages', far_ordinary))"): [_OF_NODE],
    ("selftests/isolation/test_hugetlb.py", "str(attribute('nr_overcommit_hugepages'))"): [
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"
    ],
    ("selftests/isolation/test_hugetlb.py", "str(own)"): [_OF_NODE],
    ("selftests/isolation/test_knobs.py", "name"): [name for name, _value in SETTINGS],
    ("selftests/regression/test_hugetlb.py", "attribute('nr_hugepages')"): [_POOL],
    ("selftests/regression/test_hugetlb.py", "attribute('nr_hugepages', nid)"): [_OF_NODE],
    ("selftests/regression/test_hugetlb.py", "attribute('nr_hugepages', ordinary['D'])"): [_OF_NODE],
}
#: Of the process that sets it, and gone with it.
OWN = ["/proc/self/oom_score_adj"]
_ROOTS = {"paths.SYS": "/sys", "paths.PROC": "/proc"}


def text_of(node: ast.expr, constants: dict[str, str]) -> str | None:
    """The path or name that an expression stands for, "1" for what is put in; None when it does not tell."""

    def inner(part: ast.expr) -> str:
        return text_of(part, constants) or "1"

    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.Name(id=name):
            return constants.get(name)
        case ast.Attribute():
            return _ROOTS.get(ast.unparse(node))
        case ast.JoinedStr(values=values):
            return "".join(inner(one.value if isinstance(one, ast.FormattedValue) else one) for one in values)
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant() | ast.JoinedStr() as right):
            before = text_of(left, constants)
            return f"{before}/{inner(right)}" if before else None
        case ast.Call(func=ast.Name(id="str" | "Path"), args=[first]):
            return text_of(first, constants)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            form = text_of(value, constants)
            return form.replace("{}", "1") if form else None
    return None


def knobs_of(file: Path) -> Iterator[tuple[str, str | None]]:
    """Each knob that a module sets: the expression, and what it stands for."""
    tree = ast.parse(file.read_bytes())
    constants: dict[str, str] = {}
    for line in tree.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if text := text_of(value, constants):
                    constants[name] = text
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="knob" | "setting"), args=[name, _]):
                yield ast.unparse(name), text_of(name, constants)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="knobs"), attr="set" | "set_if_there"), args=[name, _]
            ):
                yield ast.unparse(name), text_of(name, constants)
            case ast.arg(arg=arg, annotation=ast.Name(id="KnobSetter")):
                assert arg == "knob", f"{file}: a KnobSetter by another name is not looked for here"


def all_knobs() -> tuple[dict[str, str], set[tuple[str, str]]]:
    """Each name of a knob, and where it is set; and what does not tell its name: module and expression."""
    found: dict[str, str] = {}
    untold: set[tuple[str, str]] = set()
    for folder in ("selftests", "fixtures", "helpers"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            module = str(file.relative_to(ROOT))
            if "/tests/" in module or module == "helpers/knobs.py":
                continue
            for expression, name in knobs_of(file):
                if name is None:
                    untold.add((module, expression))
                names = [name] if name else SPELT_OUT.get((module, expression), [])
                found |= {one: f"{module}: {expression}" for one in names if one not in OWN}
    return found, untold


KNOBS, UNTOLD = all_knobs()


def test_they_are_found() -> None:
    wanted = {"kernel.core_pattern", "vm.zone_reclaim_mode", "/sys/kernel/mm/ksm/run", _POOL}
    wanted |= {
        "/sys/kernel/debug/failslab/reject-start",
        "/sys/kernel/debug/sched/numa_balancing/scan_delay_ms",
    }
    assert wanted <= set(KNOBS)


def test_each_is_told_by_its_expression_or_spelt_out() -> None:
    assert set(SPELT_OUT) == UNTOLD


@pytest.mark.parametrize("name", KNOBS)
def test_whatever_is_set_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(paths, "PROC", tmp_path / "proc")
    monkeypatch.setattr(paths, "SYS", tmp_path / "sys")
    path = knob(name.replace("/sys/", f"{paths.SYS}/", 1).replace("/proc/", f"{paths.PROC}/", 1)).path
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("before\n")
    assert settings.knobs() == {str(path): "before"}, f"{KNOBS[name]} is not in tools/hardware/settings.py"
