# SPDX-License-Identifier: GPL-2.0-only
"""Finds the commit of a kernel tree that broke a requirement: git bisect, with guests as the judge."""
