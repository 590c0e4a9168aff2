# SPDX-License-Identifier: GPL-2.0-only
"""What runs in the guests of `pnode chaos`."""
