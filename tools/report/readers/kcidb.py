# SPDX-License-Identifier: GPL-2.0-only
"""kcidb.json by kcidb-io, the library of those who take such reports in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tools.report import kcidb
from tools.report.names import block_name, paths
from tools.report.readers.reader import Reader, Seen, installed
from tools.report.verdict import Verdict

__all__ = ["KcidbReader"]


class KcidbReader(Reader):
    """kcidb-io."""

    name, file = "kcidb", "kcidb.json"

    def version(self) -> str:
        package = installed("kcidb-io")
        from kcidb_io import schema

        return f"{package} (schema {schema.LATEST.major}.{schema.LATEST.minor})"

    def read(self, path: Path) -> Seen:
        from kcidb_io import schema
        from kcidb_io.schema import V5_3

        seen = Seen()
        data = json.loads(path.read_text(encoding="utf-8"))
        schema.LATEST.validate(data)  # raises on what it does not take
        if not V5_3.is_compatible_exactly(data):
            seen.complaints.append(f"version {data['version']}")
        newest = schema.LATEST.upgrade(data)
        for kind, ids in schema.LATEST.get_ids(newest).items():
            twice = [name for name, number in Counter(ids).items() if number > 1]
            seen.complaints += [f"{kind}: {name}: there twice" for name in twice]
        # Taken in, but of no use: what hangs on nothing.
        known = {kind: {entry["id"] for entry in newest.get(kind, ())} for kind in ("checkouts", "builds")}
        for build in newest.get("builds", ()):
            if build["checkout_id"] not in known["checkouts"]:
                seen.complaints.append(f"{build['id']}: no checkout {build['checkout_id']}")
        for test in newest.get("tests", ()):
            if test["build_id"] not in known["builds"]:
                seen.complaints.append(f"{test['path']}: no build {test['build_id']}")
            if len(test.get("log_excerpt", "").encode()) > kcidb.EXCERPT_LIMIT:
                seen.complaints.append(f"{test['path']}: more than {kcidb.EXCERPT_LIMIT} bytes of log")
            seen.test(test["path"], test["status"])
        return seen

    def ours(self, verdict: Verdict) -> Seen:
        mine = Seen()
        below = paths(test.nodeid for test in verdict.cases)
        for test in verdict.cases:
            path = f"{kcidb.ROOT}.{block_name(test.topology)}.{below[test.nodeid]}"
            mine.test(path, kcidb.status_of(test))
        return mine
