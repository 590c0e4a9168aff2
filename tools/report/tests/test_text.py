# SPDX-License-Identifier: GPL-2.0-only
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.report.text import clean, clip_bytes, one_line


@given(st.text(st.characters()))  # with surrogates
def test_clean_text_goes_through_xml(text):
    found = ET.fromstring(f"<a>{escape(clean(text))}</a>").text or ""
    assert found == clean(text).replace("\r\n", "\n").replace("\r", "\n")


def test_what_is_no_text_is_marked():
    assert clean("\x1b[31mred\x1b[0m \0\x7f\x9b\ud800\ufffe\U0001ffff é😀\t\r\n") == "red ?????? é😀\t\r\n"
    assert one_line(" a\t b\r\nc \x85d\x0b ") == "a b c d?"


@pytest.mark.parametrize("text", ["x" * 1000, "é" * 500, "a" + "é" * 500, "😀" * 300, "\ud800" * 400])
def test_clipped_text_keeps_both_ends_and_whole_characters(text):
    clipped = clip_bytes(text, 200)
    assert 190 <= len(clipped.encode()) <= 200
    head, note, tail = clipped.split("\n")
    assert note == f"[... {len(text.encode(errors='replace')) - 200} bytes and more left out ...]"
    assert text.encode(errors="replace").decode().startswith(head)
    assert text.encode(errors="replace").decode().endswith(tail)


def test_short_text_stays():
    assert clip_bytes("é" * 100, 200) == "é" * 100
    assert clip_bytes("\ud800", 200) == "?"
