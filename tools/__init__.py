# SPDX-License-Identifier: GPL-2.0-only
"""What runs on the host: command line, kernel and module builds, guests, reports. No test logic."""
