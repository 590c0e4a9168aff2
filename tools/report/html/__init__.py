# SPDX-License-Identifier: GPL-2.0-only
"""The HTML page of a run: verdict, matrix, findings, pictures, in one file that needs nothing else."""

from tools.report.html.page import render

__all__ = ["render"]
