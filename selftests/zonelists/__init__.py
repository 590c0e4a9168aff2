# SPDX-License-Identifier: GPL-2.0-only
"""Chapter ZNL: the allocator's zone lists, read by the test module."""
