# SPDX-License-Identifier: GPL-2.0-only
"""DAMON told to move whatever it finds in a physical range to a node, or to page it out. Source:
Documentation/admin-guide/mm/damon/usage.rst, the sysfs interface."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from helpers.memory import PAGE_SIZE, Mapping
from helpers.residency import residency

ADMIN = Path("/sys/kernel/mm/damon/admin/kdamonds")
_FOREVER = 1 << 30


class Unsupported(Exception):
    """This kernel's DAMON cannot do that."""


def span(memory: Mapping) -> tuple[int, int]:
    """The physical range (bytes) that has all of the memory in it."""
    frames = [frame for frame in residency(memory).frames if frame is not None]
    return min(frames) * PAGE_SIZE, (max(frames) - min(frames) + 1) * PAGE_SIZE


class Thread:
    """A running DAMON thread with one scheme."""

    def __init__(self, thread: Path, scheme: Path) -> None:
        self._thread, self._scheme = thread, scheme

    def stats(self) -> dict[str, int]:
        """How often the scheme was tried and applied (nr_*), and on how many bytes (sz_*)."""
        (self._thread / "state").write_text("update_schemes_stats")
        stats = self._scheme / "stats"
        names = ("nr_tried", "sz_tried", "nr_applied", "sz_applied")
        return {name: int((stats / name).read_text()) for name in names}


def moving(start: int, size: int, target: int) -> AbstractContextManager[Thread]:
    """Have DAMON move the pages in [start, + size) of physical memory (bytes) to the target node, whether
    used or not, every few milliseconds. Unsupported where it cannot."""
    return _applying(start, size, ("action", "migrate_cold"), ("target_nid", str(target)))


def paging_out(start: int, size: int) -> AbstractContextManager[Thread]:
    """The same, to have them reclaimed."""
    return _applying(start, size, ("action", "pageout"))


@contextmanager
def _applying(start: int, size: int, *what: tuple[str, str]) -> Iterator[Thread]:
    if not ADMIN.is_dir():
        raise Unsupported("no DAMON sysfs interface")
    (ADMIN / "nr_kdamonds").write_text("1")
    thread = ADMIN / "0"
    try:
        scheme = _describe(thread, start, size, *what)
        (thread / "state").write_text("on")
        yield Thread(thread, scheme)
    finally:
        with suppress(OSError):
            (thread / "state").write_text("off")
        (ADMIN / "nr_kdamonds").write_text("0")


def _describe(thread: Path, start: int, size: int, *what: tuple[str, str]) -> Path:
    (thread / "contexts/nr_contexts").write_text("1")
    context = thread / "contexts/0"
    (context / "operations").write_text("paddr")
    for name, microseconds in (("sample_us", 5000), ("aggr_us", 20000), ("update_us", 1000000)):
        (context / "monitoring_attrs/intervals" / name).write_text(str(microseconds))
    (context / "targets/nr_targets").write_text("1")
    (context / "targets/0/regions/nr_regions").write_text("1")
    region = context / "targets/0/regions/0"
    (region / "end").write_text(str(start + size))
    (region / "start").write_text(str(start))
    (context / "schemes/nr_schemes").write_text("1")
    scheme = context / "schemes/0"
    try:
        for name, value in what:
            (scheme / name).write_text(value)
    except OSError as error:
        raise Unsupported(f"no {what}: {error}") from None
    for what in ("sz", "nr_accesses", "age"):
        (scheme / "access_pattern" / what / "min").write_text("0")
        (scheme / "access_pattern" / what / "max").write_text(str(_FOREVER))
    return scheme
