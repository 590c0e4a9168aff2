# SPDX-License-Identifier: GPL-2.0-only
"""TMD-01: random ioctls against the test module, from seeds that are the test's parameters."""

import errno
from collections import Counter
from collections.abc import Callable
from itertools import islice

import pytest

from fixtures.nodes import PrivateRange
from fixtures.process import ChildFactory
from fixtures.requirement import requirement
from helpers.nodes import Node
from helpers.testmod import TestModule
from helpers.testmod.fuzz import Fuzzer

CALLS = 1500
SEEDS = (1, 2, 3, 4)


@requirement("TMD-01")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_ioctls_are_errnos_or_harmless(
    unplugged: PrivateRange,
    ordinary_node: Node,
    testmod: TestModule,
    child: ChildFactory,
    record_property: Callable[[str, object], None],
    seed: int,
) -> None:
    def work() -> Counter[str]:
        answers: Counter[str] = Counter()
        end = unplugged.start + unplugged.size
        addresses = (unplugged.start, end - unplugged.block, unplugged.start + 4096, 0)
        gfps = (0, testmod.gfp.HIGHUSER_MOVABLE, testmod.gfp.KERNEL, testmod.gfp.GFP_PRIVATE, 0xFFFFFFFF)
        nids, sizes = (unplugged.nid, ordinary_node.nid), (unplugged.block,)
        fuzzer = Fuzzer(seed, nids, addresses, sizes, gfps, plug_end=end)
        with TestModule.open() as module:
            for case in islice(fuzzer, CALLS):
                answer = "OK"
                try:
                    module.ioctl(case.request, case.data)
                except OSError as error:
                    answer = errno.errorcode.get(error.errno or 0, str(error.errno))
                answers[answer] += 1
        return answers

    answers = child(work, timeout=60)
    record_property("answers", dict(answers))
    assert sum(answers.values()) == CALLS
    assert 0 < answers["OK"] < CALLS, f"no mix of successes and errnos: {answers}"
    with TestModule.open() as module:  # the open tries again to unplug what could not be
        assert module.totals().orphans == 0
