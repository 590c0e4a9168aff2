# SPDX-License-Identifier: GPL-2.0-only
"""Chapter NOP: a private node without services, the product that has the device path alone."""
