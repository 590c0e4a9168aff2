# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can do, found by trying it, and the packages that mend what is missing."""
