# SPDX-License-Identifier: GPL-2.0-only
"""What came of a call, as a word: a test that compares errnos then says what it saw when it fails."""

import errno
from collections.abc import Callable
from typing import Any

OK = "ok"


def errno_name(number: int) -> str:
    """ "EBUSY" for 16, the number as text where it has no name."""
    return errno.errorcode.get(number, str(number))


def outcome(call: Callable[..., Any], /, *args: Any, **options: Any) -> str:
    """ "ok", or the name of the errno that the call raised. Exceptions other than OSError go through."""
    try:
        call(*args, **options)
    except OSError as error:
        return errno_name(error.errno or 0)
    return OK
