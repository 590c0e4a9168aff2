# SPDX-License-Identifier: GPL-2.0-only
"""Chapter CBK: what the owner of a private node may open, and what the kernel tells it then."""
