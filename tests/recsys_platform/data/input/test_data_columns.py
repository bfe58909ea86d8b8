"""What users' columns may hold, and what becomes of it."""

import pyarrow as pa
import pytest

from recsys_platform.data.input import columns
from recsys_platform.data.input.plain import to_plain


def chunked(values, kind=None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["007", "", None, " x "], pa.string(), ["007", None, None, " x "]),
        ([7, None, -1], pa.int32(), ["7", None, "-1"]),
        ([7.0, float("nan"), 0.5], pa.float64(), ["7", None, "0.5"]),
        (["a", None, "b"], pa.large_string(), ["a", None, "b"]),
        (["a", None, "a"], pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"]),
        ([None, None, None], pa.null(), [None, None, None]),
        (["a", "", "b"], pa.string_view(), ["a", None, "b"]),
    ],
)
def test_ids_become_strings_and_empty_ones_null(values, kind, expected):
    assert columns.to_ids(to_plain(chunked(values, kind))).values.to_pylist() == expected


def test_whole_floats_meet_the_integers_and_other_texts_stay():
    ids = columns.to_ids(pa.array(["12.0", "007.00", "1.50", "12E4", " a ", "   ", "1.234567e+06", "1.2345e+03"]))
    assert ids.values.to_pylist() == ["12", "007", "1.50", "12E4", " a ", None, "1234567", "1.2345e+03"]
    assert not ids.is_inexact.any()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([2.0**53 - 1, 2.0**53, float("inf"), None], pa.float64(), [False, True, True, False]),
        ([2.0**24 - 1, 2.0**24, None], pa.float32(), [False, True, False]),
        ([2**53, 2**53 + 1, None], pa.int64(), [False, False, False]),
        ([1e15, 1e-7, 123456789012345.0], pa.float64(), [False] * 3),
        (["9007199254740991.0", "9007199254740993.0", "1.08776E+08", "inf"], pa.string(), [False, True, True, True]),
    ],
)
def test_ids_that_a_float_has_rounded_are_marked(values, kind, expected):
    assert columns.to_ids(pa.array(values, kind)).is_inexact.tolist() == expected


def test_lists_and_objects_are_no_ids_and_other_brackets_are():
    ids = columns.to_ids(pa.array(['["a", "b"]', "['a' 'b']", '{"id": 1}', "[a]", "a]", None]))
    assert ids.is_nested.tolist() == [True, True, True, False, False, False]


def test_numbers_get_their_lost_zeros_and_texts_do_not():
    ids = columns.to_ids(pa.array(["108775015", "0108775015", "B00X", None, "12345678901"]), width=10)
    assert ids.values.to_pylist() == ["0108775015", "0108775015", "B00X", None, "12345678901"]
    assert columns.to_ids(pa.array([7, None]), width=3).values.to_pylist() == ["007", None]


def test_infinite_numbers_are_unparsable_and_nan_is_null():
    numbers = columns.to_numbers(chunked([float("inf"), float("nan"), 2.5], pa.float64()))
    assert numbers.is_unparsable.tolist() == [True, False, False]
    assert numbers.is_null.tolist() == [False, True, False]
    assert numbers.values[2] == 2.5


def test_booleans_are_no_numbers():
    assert columns.to_numbers(chunked([True, None], pa.bool_())).is_unparsable.tolist() == [True, False]


def test_the_number_of_a_float32_is_the_one_that_was_written():
    assert columns.to_numbers(pa.array([4.3, None], pa.float32())).values.tolist()[0] == 4.3


def test_labels_become_short_text():
    assert columns.to_labels(chunked([12.0, 3.04, None], pa.float32())).texts == ["12", "3.04", None]
    assert columns.to_labels(chunked([0.1, float("nan")], pa.float64())).texts == ["0.1", None]
    assert columns.to_labels(chunked([True, False])).texts == ["true", "false"]
    assert columns.to_labels(chunked([" Berlin ", "  "])).texts == ["Berlin", None]
    assert columns.to_labels(chunked(['["a", 2.0]', "['é']"])).texts == ["a, 2", "é"]


def test_objects_have_no_text_and_are_marked():
    labels = columns.to_labels(pa.array(['{"name": "A"}', "B", '[["A"], ["B"]]', None]))
    assert labels.texts == [None, "B", None, None]
    assert labels.is_unreadable.tolist() == [True, False, True, False]


def test_prose_stays_as_it_is_but_for_entities():
    assert columns.to_prose(pa.array([" 25.0", "Rock &amp; Roll", "True", "  ", None])) == [
        "25.0",
        "Rock & Roll",
        "True",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ("", ()),
        ("Tents", ("Tents",)),
        ("Garden|Tents | ", ("Garden", "Tents")),
        ('["Garden", "A|B", null]', ("Garden", "A|B")),
        ("['Garden', 'Hair &amp; Skin']", ("Garden", "Hair & Skin")),
        ("['Garden' 'Tents']", ("Garden", "Tents")),
        ('[["A"], ["A", "B"], ["A", "C"]]', ("A", "B")),
        ("[27, 9]", ("27", "9")),
        ("27.0", ("27",)),
        ("[sic] Tents", ("[sic] Tents",)),
    ],
)
def test_categories_come_as_lists_or_as_text(value, expected):
    categories = columns.to_categories(pa.array([value], pa.string()))
    assert (categories.names, categories.is_unreadable.tolist()) == ([expected], [False])


def test_objects_are_no_categories():
    categories = columns.to_categories(pa.array(['[{"name": "A"}]', '{"a": 1}']))
    assert (categories.names, categories.is_unreadable.tolist()) == ([(), ()], [True, True])


def test_an_id_that_is_not_a_number_is_missing_as_text_too():
    assert columns.to_ids(chunked(["nan", " NaN ", "None", "Nan Goldin"], pa.string())).values.to_pylist() == [
        None,
        None,
        "None",
        "Nan Goldin",
    ]
