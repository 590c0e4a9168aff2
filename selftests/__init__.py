# SPDX-License-Identifier: GPL-2.0-only
"""What is certified: a folder a chapter, a file a theme; the promises themselves are in catalogue/."""
