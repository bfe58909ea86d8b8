"""Columns of texts in a terminal, and lines of at most so many columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_platform.display_width import align, display_width, pad_left, pad_right, wrap

TEXTS = st.text(st.sampled_from("aZ -帐篷，。ＡＢé…"), max_size=30)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("Tent 2", 6),
        ("帐篷", 4),
        ("ＡＢ", 4),
        ("ｱ", 1),
        ("，。", 4),
        ("e\u0301", 1),
        ("\u200b", 0),
        ("😀", 2),
        ("한", 2),
    ],
)
def test_wide_characters_take_two_columns_and_marks_above_letters_none(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_padding_counts_columns() -> None:
    assert (pad_right("帐篷", 6), pad_left("帐篷", 6), pad_left("帐篷", 2)) == ("帐篷  ", "  帐篷", "帐篷")


def test_cells_are_aligned_by_columns() -> None:
    assert align([["a", "名"], ["帐篷", "1"]]) == "a     名\n帐篷   1"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two three four", 7, ["one two", "three…"]),
        ("赤杨山径帐篷", 8, ["赤杨山径", "帐篷"]),
        ("赤杨山径帐篷赤杨山径帐篷", 8, ["赤杨山径", "帐篷赤…"]),
        ("赤杨 Trail 帐篷", 10, ["赤杨 Trail", "帐篷"]),
        ("x" * 30, 10, ["x" * 10, "x" * 9 + "…"]),
        ("", 10, [""]),
    ],
)
def test_lines_end_at_blanks_and_beside_wide_characters(text: str, width: int, lines: list[str]) -> None:
    assert wrap(text, width, 2) == lines


@given(TEXTS, st.integers(4, 20), st.integers(1, 4))
def test_no_line_is_wider_than_asked_and_nothing_is_lost_where_there_is_room(text: str, width: int, most: int) -> None:
    lines = wrap(text, width, most)
    assert len(lines) <= most
    assert all(display_width(line) <= width for line in lines)
    whole = wrap(text, width, 99)
    assert "".join("".join(whole).split()) == "".join(text.split())
    assert whole == lines or lines[-1].endswith("…")
