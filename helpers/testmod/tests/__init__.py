# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of the test module's ABI and client: no kernel needed."""
