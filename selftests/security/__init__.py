# SPDX-License-Identifier: GPL-2.0-only
"""Chapter SEC: what users without privilege may not get of private nodes and of others."""
