# SPDX-License-Identifier: GPL-2.0-only
"""The reference kernel (source, patches, configuration, build, cache) and the test module for any kernel."""
