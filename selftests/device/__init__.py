# SPDX-License-Identifier: GPL-2.0-only
"""Chapter DEV: the device path onto a closed private node, by open, mmap and touch."""
