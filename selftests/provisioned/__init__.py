# SPDX-License-Identifier: GPL-2.0-only
"""What holds on a private node as its driver has made it, whatever that opens: nothing is plugged here."""
