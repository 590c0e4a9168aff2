# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import coverage
from helpers.catalogue import Catalogue, Requirement

ROWS = [
    Requirement("ISO-01", "must", "A.", "b", {"v4": "c"}),
    Requirement("ISO-02", "must", "A.", "b", {"v4": "c"}, no_fault="nothing in it can be broken"),
]
KNOWN = Catalogue({row.id: row for row in ROWS}, "0")
TESTS = [("a", ["ISO-01", "ISO-02"])]


@pytest.mark.parametrize(
    ("tests", "faults", "gaps"),
    [
        (TESTS, {"gate": ["ISO-01"]}, []),
        (TESTS, None, []),
        (TESTS, {}, ["ISO-01: no fault turns it red, and no_fault gives no reason"]),
        ([("a", ["ISO-02"])], {"gate": ["ISO-01"]}, ["ISO-01: no test certifies it"]),
        (TESTS, {"gate": ["ISO-01", "ISO-03"]}, ["fault gate: requirement 'ISO-03' is not in the catalogue"]),
        (
            TESTS,
            {"gate": ["ISO-01", "ISO-02"]},
            ["ISO-02: no_fault says that there is none, gate is one"],
        ),
    ],
)
def test_gaps(tests, faults, gaps):
    assert coverage.cover(KNOWN, tests, faults).gaps == gaps


def test_the_join():
    found = coverage.cover(KNOWN, TESTS, {"gate": ["ISO-01"], "list": ["ISO-01"]})
    assert found.tests["ISO-02"] == ["a"]
    assert found.faults["ISO-01"] == ["gate", "list"]
    assert found.reasons == {"ISO-02": "nothing in it can be broken"}


def test_the_fault_list_is_read(tmp_path):
    path = tmp_path / "faults.toml"
    assert coverage.read_faults(path) is None
    path.write_text('[gate]\nturns_red = ["ISO-01"]\n[groups]\nx = 1\n')
    assert coverage.read_faults(path) == {"gate": ["ISO-01"]}


@pytest.mark.parametrize(("text", "error"), [("", False), ("report", False), ("error", True)])
def test_the_switch(tmp_path, text, error):
    path = tmp_path / "pyproject.toml"
    path.write_text(f'[tool.pnode]\ncoverage = "{text}"\n' if text else "[project]\nname = 'x'\n")
    assert coverage.enforced(path) is error
