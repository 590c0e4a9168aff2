# SPDX-License-Identifier: GPL-2.0-only
"""Chapter MPL: memory policies that name private nodes."""
