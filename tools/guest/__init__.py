# SPDX-License-Identifier: GPL-2.0-only
"""Guests: real kernels in QEMU that pytest-xdist takes for its workers.

topologies/*.toml  what guests are made of        contents.toml   what is in their initramfs
topology, qemu     data to QEMU's command line    contents, layers, cpio, elf, bytecode, initramfs
accel, image       before QEMU starts             inside/         what runs in the guest
pool, keeper       the guests of a run            worker          what xdist starts as its "python"
boot, slot         one guest, and its folder      console, control, shell
"""
