# SPDX-License-Identifier: GPL-2.0-only
"""Chapter REG: what ordinary nodes promise, while private nodes are present."""
