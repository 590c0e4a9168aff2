# SPDX-License-Identifier: GPL-2.0-only
"""A small catalogue for tests of the reports."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    id: str
    level: str
    statement: str
    source: str = "v4 3/27"

    def expected(self, dialect: str) -> str | None:
        return {"v4": f"what v4 makes of {self.id}"}.get(dialect)

    @property
    def chapter(self) -> str:
        return self.id[:3]


CATALOGUE = {
    row.id: row
    for row in (
        Row("DSC-01", "must", "has_private_memory lists exactly the private nodes with online memory."),
        Row("DSC-12", "should", "numa_maps counts the pages of a private node."),
        Row("ISO-02", "must", "__GFP_THISNODE without __GFP_PRIVATE fails; the node loses no page."),
        Row("ISO-04", "must", "GFP_PRIVATE: the page is on the node; a full node gives NULL, no fallback."),
        Row("HPL-03", "must", "Unregister with memory online: EBUSY, and the node still works."),
    )
}
