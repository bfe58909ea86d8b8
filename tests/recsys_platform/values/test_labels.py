"""One value has one text, whichever program wrote it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_platform.values.ids import InexactIdError, canonical_id
from recsys_platform.values.labels import UnreadableLabelError, canonical_label, label_of
from recsys_platform.values.numbers import canonical_number

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS)
def test_a_float_has_one_text_in_every_writing_and_keeps_its_value(value):
    text = canonical_number(repr(value))
    assert text is not None
    assert canonical_number(text) == text
    writings = [json.dumps(value), np.format_float_positional(value, trim="-")]
    assert {canonical_number(writing) for writing in writings} == {text}
    assert math.isclose(float(text), value, rel_tol=1e-6)


@given(st.integers(-(10**30), 10**30))
def test_a_whole_number_has_the_text_of_its_digits_also_as_a_float_writes_it(value):
    assert canonical_number(str(value)) == canonical_number(f"{value}.0") == str(value)


@pytest.mark.parametrize("value", [3.04, 0.1, -1.7, 123.456, 1e-7])
def test_a_float32_has_the_same_text_in_a_file_of_float64(value):
    single = np.float32(value)
    assert canonical_number(repr(float(single))) == canonical_number(str(single)) == canonical_number(repr(value))


@pytest.mark.parametrize("text", ["1048576.25", "0.00006103515625", "8388607.5"])
def test_an_exact_fraction_keeps_its_digits(text):
    assert canonical_number(text) == text


@given(st.one_of(st.text(), st.integers(), FLOATS, st.booleans(), st.from_regex(r"\A[\[{(].*[\]})]\Z")))
def test_a_label_is_its_own_label(value):
    try:
        text = label_of(value)
    except UnreadableLabelError:
        return
    assert text is None or text.split() == text.split(" ")
    if text is not None and not text.startswith(("[", "{")) and "&" not in text:
        assert canonical_label(text) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([25, 25.0, "25", "25.0", " 25.00 "], "25"),
        ([True, "true", "True", "TRUE"], "true"),
        ([1e-5, "1e-05", "0.00001", "1.0E-5"], "0.00001"),
        (["2024-05-01 12:00:00", "2024-05-01T12:00:00.000", "2024-05-01T12:00"], "2024-05-01 12:00:00"),
        (["2024-05-01T12:00:00Z", "2024-05-01 14:00:00+02:00", "2024-05-01 12:00:00 UTC"], "2024-05-01 12:00:00Z"),
        (["['a', 'b']", '["a", "b"]', "['a' 'b']"], "a, b"),
        (["R&amp;B", "R&B", "R&#38;B"], "R&B"),
        (["007"], "007"),
        (["12E4"], "12E4"),
        (["1,000"], "1,000"),
        (["Nan"], "Nan"),
        (["[Deluxe]"], "[Deluxe]"),
        (["1e99999"], "1e99999"),
    ],
)
def test_writings_of_one_value_share_a_text(values, text):
    assert {label_of(value) for value in values} == {text}


@pytest.mark.parametrize("text", ['{"a": 1}', "{'a': 1}", '[["a"], "b"]', "[{'a': 1}]", "['a' 'b' ... 'z']"])
def test_objects_lists_of_lists_and_shortened_lists_have_no_text(text):
    with pytest.raises(UnreadableLabelError):
        canonical_label(text)


def test_whole_floats_are_the_ids_of_integers_and_rounded_ones_are_refused():
    assert [canonical_id(text) for text in ("12.0", "12", "0012.0", "1.5", "B0.0")] == [
        "12",
        "12",
        "0012",
        "1.5",
        "B0.0",
    ]
    for text in ("9007199254740993.0", "9.007199254740993e+15", "1.08776E+08", "1e+16", "inf"):
        with pytest.raises(InexactIdError, match="write ids as text or as integers"):
            canonical_id(text)
