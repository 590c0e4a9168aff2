# SPDX-License-Identifier: GPL-2.0-only
"""Guests that come up together."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.guest.errors import GuestStalled
from tools.guest.pool import Pool
from tools.guest.slot import Launch, Slot


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    prepared: Any = SimpleNamespace(accel=None, initrd=None)
    with Pool(cast(Any, None), prepared, [Slot(tmp_path, 0), Slot(tmp_path, 1)]) as made:
        yield made


def test_one_that_stalls_is_booted_again(pool: Pool, fake_launch: Callable[..., Launch]) -> None:
    pool._boot(fake_launch("stalled-once"))
    assert [guest.boot.number for guest in pool.guests] == [1, 1]
    assert [[boot.state()["state"] for boot in slot.boots()] for slot in pool.slots] == [
        ["dead", "ready"]
    ] * 2


def test_one_that_always_stalls_is_an_error(pool: Pool, fake_launch: Callable[..., Launch]) -> None:
    with pytest.raises(GuestStalled, match="a timer never fired, the host is too busy"):
        pool._boot(fake_launch("stalled"))
    assert max(len(list(slot.boots())) for slot in pool.slots) == 3
