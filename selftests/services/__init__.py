# SPDX-License-Identifier: GPL-2.0-only
"""SVC: the services that an owner opens, each first without its flag."""
