# SPDX-License-Identifier: GPL-2.0-only
"""Reports of runs to KernelCI."""
