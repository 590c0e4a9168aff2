# SPDX-License-Identifier: GPL-2.0-only
"""Chapter CXL: the plumbing of CXL memory, and private nodes made of it."""
