"""Words and their offsets, on texts that folding changes."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.text.words import split_words


def texts_of(text):
    return [word.text for word in split_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Spider-Man: No Way", ["spider", "-", "man", ":", "no", "way"]),
        ("tent, TENTS", ["tent", ",", "tents"]),
        ("买了iPhone手机15台", ["买", "了", "iphone", "手", "机", "15", "台"]),
        ("テントを買う", ["テント", "を", "買", "う"]),
        ("스토브를", ["스", "토", "브", "를"]),
        ("snake_case 3½", ["snake_case", "31", "⁄", "2"]),
        ("ﬁne ＡＢＣ", ["fine", "abc"]),
        ("sto\u00adve zero\u200bwidth", ["stove", "zero", "width"]),
        ("Rory’s — “a”", ["rory", "'", "s", "-", '"', "a", '"']),
        (" \t\n", []),
        ("", []),
    ],
)
def test_words_are_folded_and_cut_at_borders(text, expected):
    assert texts_of(text) == expected


def test_a_letter_is_the_same_however_it_is_encoded():
    for text in ("Café", "Ångström", "각도", "ガ"):
        assert texts_of(unicodedata.normalize("NFD", text)) == texts_of(unicodedata.normalize("NFC", text))


def test_offsets_are_those_of_the_original_text():
    text = "Große ﬁre e\u0301clair"
    assert [text[word.start : word.end] for word in split_words(text)] == ["Große", "ﬁre", "e\u0301clair"]


@given(st.text(max_size=30))
def test_words_are_in_order_inside_the_text_and_are_folded_already(text):
    words = split_words(text)
    assert all(0 <= word.start < word.end <= len(text) for word in words)
    assert all(one.start <= other.start and one.end <= other.end for one, other in itertools.pairwise(words))
    assert all(word.text for word in words)
