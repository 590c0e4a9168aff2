# SPDX-License-Identifier: GPL-2.0-only
"""Chapter TMD: what the test module itself promises."""
