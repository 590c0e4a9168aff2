# SPDX-License-Identifier: GPL-2.0-only
"""What talks to the kernel: system calls, sysfs, procfs, cgroups, the kernel log.

Nothing in here knows pytest and nothing decides a verdict. Failures are OSError with
the kernel's errno; a wait that runs out is TimeoutError saying what was waited for.
"""
