# SPDX-License-Identifier: GPL-2.0-only
"""Chapter DSC: what user space can see of a private node."""
