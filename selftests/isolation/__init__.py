# SPDX-License-Identifier: GPL-2.0-only
"""Chapter ISO: no allocation reaches a private node unless it asks for that node on purpose."""
