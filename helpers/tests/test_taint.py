# SPDX-License-Identifier: GPL-2.0-only
"""The policy on taint flags: what is in the file, and what it makes of new flags."""

from pathlib import Path

import pytest

from helpers import kmsg, taint

W, B, D, L, M, R, OUT, E = (1 << bit for bit in (9, 5, 7, 14, 4, 3, 12, 13))


def test_every_flag_of_the_kernel_has_a_policy():
    flags = taint.load()
    assert "".join(flags[bit].letter for bit in sorted(flags)) == "PFSRMBUDAWCIOELKXTNJ"
    assert all(flag.reason for flag in flags.values())
    kinds = {kind.name for kind in kmsg.rules().kinds}
    assert {name for flag in flags.values() for name in flag.splats} <= kinds


def test_reading(machine):
    machine.file("proc/sys/kernel/tainted", str(W | OUT))
    assert taint.current() == W | OUT
    assert taint.describe(taint.current()) == ["W: kernel issued warning", "O: out-of-tree module was loaded"]
    assert taint.describe(0) == []
    assert taint.describe(1 << 40) == ["bit 40: not known"]


@pytest.mark.parametrize(
    ("new", "allowed", "unallowed", "letters"),
    [
        (0, [], [], ""),
        (OUT | E, [], [], ""),
        (D, [], [], "D"),
        (D, ["BUG"], [], "D"),
        (M | R, [], [], "RM"),
        (W, [], [], "W"),
        (W, ["WARNING"], [], ""),
        (W, [], ["WARNING"], "W"),
        (W, ["WARNING"], ["WARNING"], "W"),
        (W, ["OOM"], [], "W"),
        (W | OUT, ["WARNING"], ["UBSAN"], ""),
        (L, ["soft-lockup"], [], ""),
        (B | W, ["bad-page"], [], "W"),
        (1 << 40, ["WARNING"], [], "b"),
    ],
)
def test_what_a_new_flag_means(new, allowed, unallowed, letters):
    found = taint.findings(new, allowed, unallowed)
    assert sorted(line[0] for line in found) == sorted(letters)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ('new = "expected"', r"\[P\] lacks \['reason'\]"),
        ('new = "expected"\nreason = "x"\nwhy = 1', r"\[P\] has unknown keys \['why'\]"),
        ('new = "ok"\nreason = "x"', r"\[P\] new is 'ok', not one of expected"),
        ('new = "by-splat"\nreason = "x"', "needs `splats`"),
        ('new = "expected"\nreason = "x"\nsplats = ["BUG"]', "only if new is by-splat"),
    ],
)
def test_a_wrong_file_is_named_with_flag_and_key(tmp_path: Path, row, complaint):
    path = tmp_path / "taint.toml"
    path.write_text(f"[P]\nbit = 0\nmeaning = 'x'\n{row}\n")
    with pytest.raises(ValueError, match=complaint):
        taint.load(path)


def test_two_flags_of_one_bit_are_refused(tmp_path: Path):
    path = tmp_path / "taint.toml"
    row = 'bit = 1\nmeaning = "x"\nnew = "expected"\nreason = "x"\n'
    path.write_text(f"[P]\n{row}[F]\n{row}")
    with pytest.raises(ValueError, match=r"\[F\] has the bit of \[P\]"):
        taint.load(path)
