# SPDX-License-Identifier: GPL-2.0-only
"""The verbs of tools/pnode, one module each."""
