# SPDX-License-Identifier: GPL-2.0-only
"""Mapped memory whose contents can be checked page by page.

A Mapping is raw mmap memory, not Python's mmap object, so a test may munmap, mremap or mprotect
parts of it behind Python's back. Touching writes: a read of untouched anonymous memory maps the
shared zero page, which is on an ordinary node whatever the policy says.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

from helpers import paths
from helpers import syscalls as sc
from helpers.pattern import HEADER as HEADER
from helpers.pattern import MAGIC as MAGIC
from helpers.pattern import describe as describe
from helpers.pattern import header as header
from helpers.pattern import page_pattern as page_pattern
from helpers.smaps import smaps as smaps

PAGE_SIZE = sc.PAGE_SIZE
_ZERO_STEP = 64  # pages compared at once by zeroed()


def thp_size() -> int:
    """Bytes of a PMD-sized huge page; 2 MiB when the kernel does not say."""
    try:
        return paths.read_int(paths.SYS / "kernel/mm/transparent_hugepage/hpage_pmd_size")
    except OSError:
        return 2 << 20


class Mapping:
    """Memory from `addr`, `pages` base pages long; unmapped by close() or at the end of `with`.

    `view` is the memory itself (a writable memoryview, no copy). After close() it is gone;
    touching pages that were unmapped or protected kills the process, so do that in a child.
    """

    def __init__(self, addr: int, pages: int) -> None:
        """Takes over memory that is mapped already."""
        self.addr = addr
        self.pages = pages
        self._holes: list[tuple[int, int]] = []  # (first page, count) unmapped by unmap()
        self._open = True
        self._map_view()

    def _map_view(self) -> None:
        self._view = memoryview(sc.ffi.buffer(sc.ffi.cast("char *", self.addr), self.nbytes)).cast("B")

    # --- making --------------------------------------------------------------------------

    @classmethod
    def anonymous(
        cls,
        pages: int,
        *,
        shared: bool = False,
        thp: bool = False,
        populate: bool = False,
        hugetlb: bool = False,
        prot: int = sc.PROT_READ | sc.PROT_WRITE,
        flags: int = 0,
    ) -> "Mapping":
        """Anonymous memory, nothing touched unless `populate`.

        thp False forbids huge pages (MADV_NOHUGEPAGE, which makes MADV_COLLAPSE fail too), True
        aligns the start to a huge page and asks for them.
        hugetlb takes pages of the default hugetlb pool; `pages` still counts base pages.
        `flags` are further MAP_* bits.
        """
        flags |= sc.MAP_ANONYMOUS | (sc.MAP_SHARED if shared else sc.MAP_PRIVATE)
        if populate:
            flags |= sc.MAP_POPULATE
        if hugetlb:
            return cls(sc.mmap(0, pages * PAGE_SIZE, prot, flags | sc.MAP_HUGETLB), pages)
        if not thp:
            # Populated only after the advice, or huge pages would be there already.
            mapping = cls(_apart(pages * PAGE_SIZE, prot, flags & ~sc.MAP_POPULATE), pages)
            with suppress(OSError):  # EINVAL: no huge pages in this kernel
                sc.madvise(mapping.addr, mapping.nbytes, sc.MADV_NOHUGEPAGE)
        else:
            mapping = cls(_aligned(pages * PAGE_SIZE, prot, flags & ~sc.MAP_POPULATE), pages)
            sc.madvise(mapping.addr, mapping.nbytes, sc.MADV_HUGEPAGE)
        if populate:
            sc.madvise(mapping.addr, mapping.nbytes, sc.MADV_POPULATE_WRITE)
        return mapping

    @classmethod
    def of_fd(
        cls,
        fd: int,
        pages: int,
        *,
        shared: bool,
        offset: int = 0,
        prot: int = sc.PROT_READ | sc.PROT_WRITE,
        flags: int = 0,
    ) -> "Mapping":
        """A mapping of a file or device; offset in bytes."""
        flags |= sc.MAP_SHARED if shared else sc.MAP_PRIVATE
        return cls(sc.mmap(0, pages * PAGE_SIZE, prot, flags, fd, offset), pages)

    # --- geometry ------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        return self.pages * PAGE_SIZE

    @property
    def end(self) -> int:
        """First address after the mapping."""
        return self.addr + self.nbytes

    @property
    def view(self) -> memoryview:
        if not self._open:
            raise ValueError("this mapping is closed")
        return self._view

    def page_addr(self, index: int) -> int:
        return self.addr + index * PAGE_SIZE

    def addrs(self, first: int = 0, count: int | None = None, step: int = 1) -> list[int]:
        """Addresses of the pages, as move_pages() wants them."""
        return [self.page_addr(index) for index in self._range(first, count)[::step]]

    def page(self, index: int) -> bytes:
        """A copy of one page. Reads, so it may fault the page in."""
        return bytes(self.view[index * PAGE_SIZE : (index + 1) * PAGE_SIZE])

    def _range(self, first: int, count: int | None) -> range:
        last = self.pages if count is None else first + count
        if not 0 <= first <= last <= self.pages:
            raise ValueError(f"pages {first}..{last} are outside of 0..{self.pages}")
        return range(first, last)

    # --- contents ------------------------------------------------------------------------

    def touch(self, seed: int = 1, *, first: int = 0, count: int | None = None, full: bool = False) -> None:
        """Writes to every page 64 bytes (full: all of it) that name the page's index and the seed."""
        view = self.view
        if full:
            for index in self._range(first, count):
                view[index * PAGE_SIZE : (index + 1) * PAGE_SIZE] = page_pattern(index, seed)
            return
        size = HEADER.size
        for index in self._range(first, count):
            offset = index * PAGE_SIZE
            view[offset : offset + size] = header(index, seed)

    def verify(self, seed: int = 1, *, first: int = 0, count: int | None = None, full: bool = False) -> None:
        """AssertionError naming the first page whose contents are not those of touch(seed, full=full)."""
        view = self.view
        size = PAGE_SIZE if full else HEADER.size
        expected = page_pattern if full else header
        for index in self._range(first, count):
            offset = index * PAGE_SIZE
            found = bytes(view[offset : offset + size])  # comparing bytes is a memcmp, a memoryview is not
            if found != expected(index, seed):
                raise AssertionError(self._wrong(index, found, expected(index, seed), seed))

    def _wrong(self, index: int, found: bytes, expected: bytes, seed: int) -> str:
        at = next(i for i in range(len(found)) if found[i] != expected[i])
        return (
            f"page {index} of {self.pages} (address {self.page_addr(index):#x}, byte {at}): expected the "
            f"pattern of page {index}, seed {seed}; found {describe(found)}"
        )

    def read_all(self) -> bytes:
        """A copy of everything. Reads every page, so it may fault them in."""
        return bytes(self.view)

    def read_fault(self, *, first: int = 0, count: int | None = None) -> None:
        """Reads one byte of every page and copies nothing: a read fault each."""
        view = self.view
        for index in self._range(first, count):
            view[index * PAGE_SIZE]

    def first_nonzero(self, *, first: int = 0, count: int | None = None) -> int | None:
        """Index of the first page that is not all zeroes. Reads every page before it."""
        view = self.view
        pages = self._range(first, count)
        for start in pages[::_ZERO_STEP]:
            stop = min(start + _ZERO_STEP, pages.stop)
            if any_nonzero(view[start * PAGE_SIZE : stop * PAGE_SIZE]):
                for index in range(start, stop):
                    if any_nonzero(view[index * PAGE_SIZE : (index + 1) * PAGE_SIZE]):
                        return index
        return None

    def zeroed(self) -> bool:
        """Is every byte zero. Reads every page, so it may fault them in."""
        return self.first_nonzero() is None

    # --- changing the mapping ------------------------------------------------------------

    def advise(self, advice: int, *, first: int = 0, count: int | None = None) -> None:
        pages = self._range(first, count)
        sc.madvise(self.page_addr(pages.start), len(pages) * PAGE_SIZE, advice)

    def protect(self, prot: int, *, first: int = 0, count: int | None = None) -> None:
        pages = self._range(first, count)
        sc.mprotect(self.page_addr(pages.start), len(pages) * PAGE_SIZE, prot)

    def bind(
        self,
        mode: int,
        nodes: sc.Mask,
        flags: int = 0,
        *,
        maxnode: int | None = None,
        first: int = 0,
        count: int | None = None,
    ) -> None:
        """mbind() of these pages."""
        pages = self._range(first, count)
        length = len(pages) * PAGE_SIZE
        sc.mbind(self.page_addr(pages.start), length, mode, nodes, flags, maxnode=maxnode)

    def unmap(self, first: int, count: int) -> None:
        """munmap() of some pages. close() leaves their addresses alone: another may live there by then."""
        pages = self._range(first, count)
        sc.munmap(self.page_addr(pages.start), len(pages) * PAGE_SIZE)
        self._holes.append((first, count))

    def remap(self, new_pages: int, flags: int = sc.MREMAP_MAYMOVE, new_addr: int = 0) -> None:
        """mremap() of the whole mapping; this object follows to the new place and size."""
        self.addr = sc.mremap(self.addr, self.nbytes, new_pages * PAGE_SIZE, flags, new_addr)
        self.pages = new_pages
        self._map_view()

    def forget(self) -> None:
        """Gives up ownership: close() will not unmap."""
        self._open = False

    def close(self) -> None:
        """Unmaps what is left. Calling it again does nothing."""
        if not self._open:
            return
        self._open = False
        for first, count in self._kept():
            sc.munmap(self.page_addr(first), count * PAGE_SIZE)

    def _kept(self) -> Iterator[tuple[int, int]]:
        position = 0
        for first, count in sorted(self._holes):
            if first > position:
                yield position, first - position
            position = max(position, first + count)
        if position < self.pages:
            yield position, self.pages - position

    # --- what the kernel says about it ---------------------------------------------------

    def smaps(self) -> dict[str, int]:
        """Bytes by field ("Rss", "AnonHugePages", "Swap", "Locked", ...), summed over the VMAs in here."""
        totals: dict[str, int] = {}
        for _start, _end, fields in smaps(os.getpid(), self.addr, self.end):
            for name, value in fields.items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def __enter__(self) -> "Mapping":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Mapping({self.addr:#x}, {self.pages} pages{'' if self._open else ', closed'})"


def any_nonzero(data: memoryview) -> bool:
    """At C speed: the copy makes the comparison a memcmp."""
    return bytes(data) != bytes(len(data))


def _apart(length: int, prot: int, flags: int) -> int:
    """mmap that leaves room for a page behind the memory: of two such mappings side by side the kernel would
    make one VMA, and smaps() of either would tell of both."""
    addr = sc.mmap(0, length + PAGE_SIZE, prot, flags)
    sc.munmap(addr + length, PAGE_SIZE)
    return addr


def _aligned(length: int, prot: int, flags: int) -> int:
    """mmap whose address is a multiple of the huge page size: reserve more, unmap both ends, map the rest.
    (A part of a larger shared mapping begins at an odd offset, which is no place for a huge page.)"""
    size = thp_size()
    start = sc.mmap(0, length + size, sc.PROT_NONE, sc.MAP_PRIVATE | sc.MAP_ANONYMOUS)
    addr = -(-start // size) * size
    if addr > start:
        sc.munmap(start, addr - start)
    tail = addr + length
    if start + length + size > tail:
        sc.munmap(tail, start + length + size - tail)
    return sc.mmap(addr, length, prot, flags | sc.MAP_FIXED)
