# SPDX-License-Identifier: GPL-2.0-only
"""CXL-02: a step of making a region that cannot be is refused; the error names attribute, errno and cause."""

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fixtures.requirement import requirement
from fixtures.selection import topology
from helpers import cxl
from helpers.cxl_decoders import write
from helpers.outcome import errno_name

pytestmark = topology("cxl")
MORE = 1 << 40

#: Attribute of a new region, what is written to it, and the errno.
OF_A_REGION = [
    ("interleave_ways", 5, "EINVAL"),
    ("interleave_granularity", 100, "EINVAL"),
    ("size", cxl.ALIGN + 1, "EINVAL"),
    ("size", MORE, "ERANGE"),
    ("target0", "decoder99.9", "ENODEV"),
    ("commit", 1, "ENXIO"),
]
OF_A_WINDOW = [
    ("create_ram_region", "region9999", "EBUSY"),
    ("create_ram_region", "mem0", "EINVAL"),
    ("delete_region", "region9999", "ENODEV"),
]
OF_AN_ENDPOINT = [("dpa_size", 1, "EINVAL"), ("dpa_size", MORE, "ENOSPC")]


@pytest.fixture
def window(unclaimed: None) -> Iterator[cxl.Decoder]:
    """The machine's first window for volatile memory; no region is left behind."""
    yield next(one for one in cxl.root_decoders() if one.cap_ram)
    for region in cxl.regions():
        with suppress(OSError):
            region.destroy()


def refused(thing: cxl.Region | cxl.Decoder, attribute: str, value: object, errno: str) -> None:
    """AssertionError unless the write is refused with that errno, by a cause of our own words."""
    with pytest.raises(cxl.CxlError) as caught:
        write(thing.path / attribute, value)
    error = caught.value
    assert (error.attribute, errno_name(error.errno or 0)) == (attribute, errno), f"{error}"
    assert error.cause != os.strerror(error.errno or 0), f"no likely cause is known: {error}"
    assert error.cause in str(error)


@requirement("CXL-02")
@pytest.mark.parametrize(("attribute", "value", "errno"), OF_A_REGION)
def test_of_a_region(window: cxl.Decoder, attribute: str, value: object, errno: str) -> None:
    region = cxl.new_region(window)
    if not attribute.startswith("interleave"):
        several = window.interleave_ways > 1
        granularity = window.interleave_granularity if several else cxl.DEFAULT_GRANULARITY
        write(region.path / "interleave_granularity", granularity)
        write(region.path / "interleave_ways", window.interleave_ways)
    refused(region, attribute, value, errno)
    assert region.committed is False


@requirement("CXL-02")
@pytest.mark.parametrize(("attribute", "value", "errno"), OF_A_WINDOW)
def test_of_a_window(window: cxl.Decoder, attribute: str, value: object, errno: str) -> None:
    before = cxl.regions()
    refused(window, attribute, value, errno)
    assert cxl.regions() == before


@requirement("CXL-02")
@pytest.mark.parametrize(("attribute", "value", "errno"), OF_AN_ENDPOINT)
def test_of_a_device(window: cxl.Decoder, attribute: str, value: object, errno: str) -> None:
    endpoint = cxl.endpoint_decoder(next(one for one in cxl.memdevs() if one.ram_size))
    write(endpoint.path / "mode", "ram")
    refused(endpoint, attribute, value, errno)
    assert endpoint.dpa_size == 0
