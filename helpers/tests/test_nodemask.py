# SPDX-License-Identifier: GPL-2.0-only
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.nodemask import LONGEST_BYTES, NodeMask

node_sets = st.frozensets(st.integers(0, 1023), max_size=40)


@given(node_sets)
def test_encode_and_decode_are_inverse(nodes):
    data, maxnode = NodeMask(nodes).encode()
    assert NodeMask.decode(data) == nodes
    assert len(data) % 8 == 0
    assert maxnode == len(data) * 8 + 1


@given(node_sets)
def test_format_and_parse_are_inverse(nodes):
    assert NodeMask.parse(NodeMask(nodes).format()) == nodes


@given(node_sets, st.integers(0, 5000))
def test_a_given_maxnode_is_kept_and_its_bits_are_there(nodes, maxnode):
    data, passed = NodeMask(nodes).encode(maxnode)
    assert passed == maxnode
    assert len(data) * 8 >= maxnode - 1
    assert NodeMask.decode(data) == nodes


@given(node_sets, node_sets)
def test_operators_agree_with_sets(a, b):
    x, y = NodeMask(a), NodeMask(b)
    for result, expected in ((x | y, a | b), (x & y, a & b), (x - y, a - b), (x ^ y, a ^ b)):
        assert isinstance(result, NodeMask)
        assert result == expected
    assert (x <= y) == (a <= b)
    assert (x == y) == (a == b)
    assert x != y or hash(x) == hash(y)


@given(st.text(alphabet="0123456789,-:/ x", max_size=12))
def test_parse_never_fails_but_with_value_error(text):
    try:
        mask = NodeMask.parse(text)
    except ValueError:
        return
    assert NodeMask.parse(str(mask)) == mask


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", []),
        ("\n", []),
        ("0\n", [0]),
        ("0,2-3", [0, 2, 3]),
        ("0-1,4,6-8", [0, 1, 4, 6, 7, 8]),
        ("0-7:1/2", [0, 2, 4, 6]),
        ("3,1", [1, 3]),
    ],
)
def test_parse(text, nodes):
    assert list(NodeMask.parse(text)) == nodes


@pytest.mark.parametrize(
    "text",
    ["a", "1-", "-1", "2-1", "0,,1", "0x1", "0-7:3/2", "0-7:0/2", "1 2", "0-9999999999", "0-524288:1/2"],
)
def test_parse_refuses(text):
    with pytest.raises(ValueError, match="not a node list"):
        NodeMask.parse(text)


def test_the_last_id_of_the_longest_mask_is_read():
    assert list(NodeMask.parse("524287")) == [524287]


def test_a_range_of_two_is_written_as_the_kernel_does():
    assert str(NodeMask.of(0, 1, 3)) == "0-1,3"
    assert repr(NodeMask()) == "NodeMask('')"


def test_empty_mask_has_a_word():
    assert NodeMask().encode() == (bytes(8), 65)


def test_node_64_needs_a_second_word():
    assert NodeMask.of(64).encode() == (bytes(8) + b"\x01" + bytes(7), 129)


@pytest.mark.parametrize("maxnode", [2**31, 2**64 - 1])
def test_absurd_maxnode_does_not_take_memory(maxnode):
    data, passed = NodeMask.of(1).encode(maxnode)
    assert passed == maxnode
    assert len(data) == LONGEST_BYTES


def test_negative_ids_are_refused():
    with pytest.raises(ValueError, match="negative"):
        NodeMask.of(-1)
