# SPDX-License-Identifier: GPL-2.0-only
"""What `pnode bench` runs in its guest, beside the suite's helpers. No part of the suite."""
