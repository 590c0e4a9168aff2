# SPDX-License-Identifier: GPL-2.0-only
"""Chapter FLT: what leaves the pages of a private node alone although it works on ordinary ones."""
