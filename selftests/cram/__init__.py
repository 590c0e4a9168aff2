# SPDX-License-Identifier: GPL-2.0-only
"""CRM: compressed RAM, the kernel's service on top of a private node (CONFIG_CRAM)."""
