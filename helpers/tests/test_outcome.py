# SPDX-License-Identifier: GPL-2.0-only
"""What came of a call."""

import errno
import os

import pytest

from helpers.outcome import OK, errno_name, outcome


def test_success_whatever_it_returns() -> None:
    assert outcome(lambda: None) == OK
    assert outcome(int, "ff", base=16) == OK


def test_errno_by_name() -> None:
    assert outcome(os.open, "/nowhere/at/all", os.O_RDONLY) == "ENOENT"
    assert outcome(os.close, -1) == "EBADF"


def test_unnamed_errno_is_a_number() -> None:
    assert errno_name(errno.EBUSY) == "EBUSY"
    assert errno_name(4321) == "4321"


def test_other_exceptions_go_through() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome(lambda: 1 // 0)
