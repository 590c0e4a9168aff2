# SPDX-License-Identifier: GPL-2.0-only
"""Ready-made files for CI systems; README.md says what each is for and how it was tried."""
