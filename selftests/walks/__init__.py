# SPDX-License-Identifier: GPL-2.0-only
"""Properties of any sequence and shape of calls, checked against a small model of the documents."""
