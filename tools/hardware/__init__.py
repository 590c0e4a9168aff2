# SPDX-License-Identifier: GPL-2.0-only
"""`pnode run --here`: what of a machine may be touched, and how it comes back as it was."""
