# SPDX-License-Identifier: GPL-2.0-only
"""Chapter MIG: user space moves pages onto and off private nodes."""
