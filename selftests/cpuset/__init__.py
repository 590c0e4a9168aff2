# SPDX-License-Identifier: GPL-2.0-only
"""Chapter CPS: cpusets that hold private nodes or lose them, memory groups that count their pages."""
