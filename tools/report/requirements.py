# SPDX-License-Identifier: GPL-2.0-only
"""Requirement ids of a test that never reported: read from its source, without importing it.

A test that ran carries its ids in its report. One whose guest died, or that never ran, does not, and the
requirement it stands for must not look untested. Decorators and `pytestmark` with literal ids are understood,
at function, class and module level, which is how every test of the suite names them.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

from helpers.rounds import without_round

__all__ = ["requirements_in_source"]


def requirements_in_source(root: Path, nodeid: str) -> list[str]:
    """Ids named for the test by its function, class and module, closest first; empty when the source is not
    there."""
    path, *names = without_round(nodeid).partition("[")[0].split("::")
    marks = _marks(root / path)
    found: list[str] = []
    for depth in range(len(names), -1, -1):
        found += marks.get(tuple(names[:depth]), [])
    return list(dict.fromkeys(found))


@lru_cache(maxsize=256)
def _marks(path: Path) -> dict[tuple[str, ...], list[str]]:
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (OSError, SyntaxError, ValueError):
        return {}
    marks: dict[tuple[str, ...], list[str]] = {}
    _collect(tree.body, (), marks)
    return marks


def _collect(body: list[ast.stmt], where: tuple[str, ...], marks: dict[tuple[str, ...], list[str]]) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (*where, node.name)
            marks[inner] = [name for decorator in node.decorator_list for name in _ids(decorator)]
            if isinstance(node, ast.ClassDef):
                _collect(node.body, inner, marks)
        elif isinstance(node, ast.Assign) and _is_pytestmark(node.targets):
            elements = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            marks[where] = marks.get(where, []) + [name for element in elements for name in _ids(element)]


def _is_pytestmark(targets: list[ast.expr]) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in targets)


def _ids(mark: ast.expr) -> list[str]:
    if not isinstance(mark, ast.Call):
        return []
    name = mark.func.attr if isinstance(mark.func, ast.Attribute) else getattr(mark.func, "id", "")
    if name != "requirement":
        return []
    return [arg.value for arg in mark.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
