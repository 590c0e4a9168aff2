# SPDX-License-Identifier: GPL-2.0-only
"""Proves that the tests can fail: breaks the kernel hook by hook and looks which tests notice."""
