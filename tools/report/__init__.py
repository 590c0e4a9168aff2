# SPDX-License-Identifier: GPL-2.0-only
"""Reports: a run's events, what they mean, and the forms in which people and machines read them.

`ControllerPlugin` turns a pytest session into events in a `RunLog`; `finish` makes all reports from them.
"""

from tools.report.events import RunLog
from tools.report.finishing import finish
from tools.report.live import make_live
from tools.report.plugin import ControllerPlugin

__all__ = ["ControllerPlugin", "RunLog", "finish", "make_live"]
