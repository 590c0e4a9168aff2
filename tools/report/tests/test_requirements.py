# SPDX-License-Identifier: GPL-2.0-only
from tools.report.requirements import requirements_in_source

SOURCE = """
import pytest
from fixtures.requirement import requirement
pytestmark = [pytest.mark.core, requirement("ISO-13")]

@requirement("ISO-02")
@pytest.mark.parametrize("entry", [1])
@pytest.mark.requirement("ISO-13", "ISO-04")
def test_a(entry): ...

@requirement("HPL-03")
class TestBusy:
    pytestmark = requirement("HPL-01")
    @requirement("HPL-02")
    def test_b(self): ...

def test_none(): ...
"""


def test_function_class_and_module_marks_are_found(tmp_path):
    (tmp_path / "test_it.py").write_text(SOURCE)

    def ids(name):
        return requirements_in_source(tmp_path, f"test_it.py::{name}")

    assert ids("test_a[1]") == ["ISO-02", "ISO-13", "ISO-04"]
    assert ids("TestBusy::test_b") == ["HPL-02", "HPL-03", "HPL-01", "ISO-13"]
    assert ids("test_none") == ["ISO-13"]


def test_a_source_that_is_missing_or_broken_gives_nothing(tmp_path):
    (tmp_path / "test_bad.py").write_text("def (")
    assert requirements_in_source(tmp_path, "test_bad.py::test_a") == []
    assert requirements_in_source(tmp_path, "test_gone.py::test_a") == []
