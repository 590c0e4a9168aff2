# SPDX-License-Identifier: GPL-2.0-only
"""The one exception that reaches the user as a line, not as a traceback."""


class UserError(Exception):
    """Something the user can mend; the text says what, why and what to do, in one line.

    Shown as ``pnode: <text>``, exit status 2.
    """
