# SPDX-License-Identifier: GPL-2.0-only
import importlib.machinery
import importlib.util
import os
import warnings
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tools.guest import bytecode

SOURCE = "def test_x():\n    value = [1]\n    assert value == [2]\n"


def test_the_importer_takes_it_and_asks_no_times(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("ANSWER = 'source'\n")
    ahead = bytecode.compiled_name(path)
    ahead.parent.mkdir()
    ahead.write_bytes(bytecode.compiled(b"ANSWER = 'bytecode'\n", path))
    os.utime(path, (0, 0))
    assert str(ahead) == importlib.util.cache_from_source(str(path))
    loader = importlib.machinery.SourceFileLoader("module", str(path))
    spec = importlib.util.spec_from_loader("module", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    assert module.ANSWER == "bytecode"


def test_pytest_takes_its_own_kind(tmp_path: Path) -> None:
    path = tmp_path / "test_module.py"
    path.write_text(SOURCE)
    found = bytecode.rewritten(path)
    assert found is not None
    name, data = found
    name.parent.mkdir()
    name.write_bytes(data)
    os.utime(path, (bytecode.ARCHIVE_TIME, bytecode.ARCHIVE_TIME))
    assert name.name == "test_module" + rewrite.PYC_TAIL
    code = rewrite._read_pyc(path, name)
    assert code is not None
    names: dict[str, object] = {}
    exec(code, names)
    with pytest.raises(AssertionError, match=r"assert \[1\] == \[2\]"):
        names["test_x"]()  # type: ignore[operator]


def test_an_unknown_pytest_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test_module.py"
    path.write_text(SOURCE)
    monkeypatch.delattr(rewrite, "_rewrite_test")
    assert bytecode.rewritten(path) is None


def test_what_is_no_python_is_told() -> None:
    with pytest.raises(SyntaxError):
        bytecode.compiled(b"def (", Path("x.py"))


def test_warnings_of_others_stay_theirs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bytecode.compiled(b"x = '\\d'\n", Path("x.py"))
