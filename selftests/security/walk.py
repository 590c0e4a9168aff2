# SPDX-License-Identifier: GPL-2.0-only
"""A random walk over the calls by which user space asks for memory. The seed is all there is to it. For lean
children (fixtures/lean.py): some of the calls are about all that a task has."""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator

from helpers import syscalls
from helpers.constants import BindFlag, Mode, ModeFlag
from helpers.memory import PAGE_SIZE, Mapping
from helpers.nodes import node_list

#: Base pages of a PMD-sized huge page; huge mappings take one of them.
HUGE = PAGE_SIZE // 8
MOST_MAPPINGS = 12
CALLS = 400
LOOKS = 8  # at what there is, during a walk
MODES = [*Mode, 99]
MODE_FLAGS = [0, 0, 0, *ModeFlag, 1 << 5, 1 << 12]
MOVE_FLAGS = [0, *BindFlag, BindFlag.MOVE | BindFlag.STRICT, 1 << 3]
#: Without HWPOISON and its like, which need privilege and are for other tests.
ADVICE = [*range(5), 8, 9, *range(10, 26)]


class Walk:
    """Calls one after another, most of which name the node `wanted`; all are the caller's own doing."""

    def __init__(self, seed: int, wanted: int) -> None:
        self.random = random.Random(seed)
        self.wanted = wanted
        self.nodes = [*node_list("possible")]
        self.mappings: list[Mapping] = []
        self.answers: Counter[str] = Counter()
        self.steps: list[Callable[[], object]] = [
            *(self.map, self.map_file, self.touch, self.touch, self.touch),
            *(self.mbind, self.mbind, self.set_mempolicy, self.home_node),
            *(self.move_pages, self.move_pages, self.migrate_pages),
            *(self.advise, self.lock, self.protect, self.remap, self.unmap, self.fork),
        ]

    def go(self, calls: int) -> Iterator[str]:
        """So many calls; yields the name and answer of each."""
        for _call in range(calls):
            step = self.random.choice(self.steps) if self.mappings else self.map
            try:
                step()
                answer = "ok"
            except OSError as error:
                answer = errno.errorcode.get(error.errno or 0, "?")
            self.answers[f"{step.__name__} {answer}"] += 1
            yield f"{step.__name__}: {answer}"

    def map(self) -> None:
        if len(self.mappings) >= MOST_MAPPINGS:
            self.unmap()
        huge = self.random.random() < 0.15
        pages = HUGE if huge else self.random.randrange(1, 33)
        shared = self.random.random() < 0.3
        populate = self.random.random() < 0.2
        self.mappings.append(Mapping.anonymous(pages, thp=huge, shared=shared, populate=populate))

    def map_file(self) -> None:
        fd = os.memfd_create("walk")
        try:
            pages = self.random.randrange(1, 17)
            os.ftruncate(fd, pages * PAGE_SIZE)
            self.mappings.append(Mapping.of_fd(fd, pages, shared=self.random.random() < 0.5))
        finally:
            os.close(fd)

    def touch(self) -> None:
        """By the kernel, so that a mapping without access is an errno and no signal."""
        mapping = self.mapping()
        with open("/dev/zero", "rb", buffering=0) as zero:
            os.readv(zero.fileno(), [mapping.view])

    def mbind(self) -> None:
        self.mapping().bind(self.mode(), self.mask(), self.random.choice(MOVE_FLAGS))

    def set_mempolicy(self) -> None:
        syscalls.set_mempolicy(self.mode(), self.mask())

    def home_node(self) -> None:
        mapping = self.mapping()
        syscalls.set_mempolicy_home_node(mapping.addr, mapping.nbytes, self.node())

    def move_pages(self) -> None:
        addrs = self.mapping().addrs()
        targets = [self.node() for _addr in addrs]
        syscalls.move_pages(0, addrs, targets, self.random.choice(MOVE_FLAGS))

    def migrate_pages(self) -> None:
        syscalls.migrate_pages(0, self.mask(), self.mask())

    def advise(self) -> None:
        self.mapping().advise(self.random.choice(ADVICE))

    def lock(self) -> None:
        mapping = self.mapping()
        call = self.random.choice([syscalls.mlock, syscalls.munlock])
        call(mapping.addr, mapping.nbytes)

    def protect(self) -> None:
        self.mapping().protect(self.random.choice([0, 1, 3, 3, 3]))

    def remap(self) -> None:
        self.mapping().remap(self.random.randrange(1, 33))

    def unmap(self) -> None:
        self.mappings.pop(self.random.randrange(len(self.mappings))).close()

    def fork(self) -> None:
        """A child that writes to all it has inherited, and ends."""
        pid = os.fork()
        if pid == 0:
            for mapping in self.mappings:
                try:
                    with open("/dev/zero", "rb", buffering=0) as zero:
                        os.readv(zero.fileno(), [mapping.view])
                except OSError:
                    continue
            os._exit(0)
        os.waitpid(pid, 0)

    def mapping(self) -> Mapping:
        return self.random.choice(self.mappings)

    def node(self) -> int:
        return self.wanted if self.random.random() < 0.6 else self.random.choice(self.nodes)

    def mask(self) -> list[int]:
        some = [nid for nid in self.nodes if self.random.random() < 0.3]
        return sorted({*some, self.wanted} if self.random.random() < 0.7 else some)

    def mode(self) -> int:
        return int(self.random.choice(MODES)) | int(self.random.choice(MODE_FLAGS))


def walker(seed: int, wanted: int) -> Generator[object, None, dict[str, int]]:
    """The walk; now and then where its memory is, at the end what the kernel answered."""
    walk = Walk(seed, wanted)
    # Memory that stays, for the control: something has to be on the wanted node if it can.
    with Mapping.anonymous(64) as memory:
        for count, _answer in enumerate(walk.go(CALLS)):
            if count % (CALLS // LOOKS) == CALLS // LOOKS - 1:
                memory.touch()
                yield [(one.addr, one.pages) for one in [*walk.mappings, memory]]
    for mapping in walk.mappings:
        mapping.close()
    return dict(walk.answers)
