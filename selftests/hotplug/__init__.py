# SPDX-License-Identifier: GPL-2.0-only
"""Chapter HPL: private memory comes and goes."""
