# SPDX-License-Identifier: GPL-2.0-only
"""Others' readers of our reports: does each see the tests and verdicts that we mean?

A format is what its readers make of it. Each file of a run's directory is given to a reader that we did not
write, and what it saw is compared, test by test, with the verdict from results.jsonl. A reader that is not
installed has not agreed: it is named, and nothing is claimed.
"""

from tools.report.readers.check import Checked, check, lines, status
from tools.report.readers.reader import NAMES

__all__ = ["NAMES", "Checked", "check", "lines", "status"]
