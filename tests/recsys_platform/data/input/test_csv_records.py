"""Lines with delimiters as records: quotes over several lines, quotes that nobody closes, headers."""

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.data.input.csv_records import MAX_RECORD_LINES, iter_csv, read_header
from recsys_platform.data.input.layouts import TextLayout
from recsys_platform.data.input.text_lines import Lines, MalformedLine

ITEMS = TextLayout(keys=("item_id",))


def read(text: str, layout: TextLayout = ITEMS) -> list[dict | str]:
    lines = Lines(io.StringIO(text, newline=""))
    records = iter_csv(lines, layout, read_header(lines, layout, "t.csv"))
    return [record.text if isinstance(record, MalformedLine) else record for record in records]


def titles(text: str) -> list[str]:
    return [record if isinstance(record, str) else f"{record['item_id']}={record['title']}" for record in read(text)]


def test_a_quote_that_nobody_closes_costs_its_line_alone():
    text = 'item_id,title\ni1,Blue Tent\ni2,"Mug 3\ni3,Red Lamp\ni4,Cup\n'
    assert titles(text) == ["i1=Blue Tent", 'line 3, a quote is not closed: i2,"Mug 3', "i3=Red Lamp", "i4=Cup"]


def test_a_quote_that_another_line_seems_to_close_swallows_no_row():
    text = 'item_id,title\ni1,"Mug 3\ni2,Red Lamp\ni3,Screen 24"\ni4,Cup\n'
    assert titles(text) == [
        'line 2, a quote is not closed: i1,"Mug 3',
        "i2=Red Lamp",
        'i3=Screen 24"',
        "i4=Cup",
    ]


def test_a_quote_that_the_next_quoted_row_seems_to_close_swallows_no_row():
    text = 'item_id,title\ni1,"Mug 3\ni2,Red Lamp\ni3,"Tent, red"\ni4,Cup\n'
    assert titles(text) == ['line 2, a quote is not closed: i1,"Mug 3', "i2=Red Lamp", "i3=Tent, red", "i4=Cup"]


@pytest.mark.parametrize(
    "title",
    ["Tent\nred", "Tent\n\nred\n", "Warm,\nlight, dry", 'So "warm"\nand "light"', "a,b\nand more,or less", "x\r\ny"],
)
def test_a_quoted_value_may_span_lines(title):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["item_id", "title"], ["i1", title], ["i2", "Cup"]])
    assert read(file.getvalue()) == [{"item_id": "i1", "title": title}, {"item_id": "i2", "title": "Cup"}]


def test_a_record_of_too_many_lines_is_a_quote_that_nobody_closes():
    text = 'item_id,title\ni1,"a\n' + "b\n" * MAX_RECORD_LINES + '"\ni2,Cup\n'
    records = titles(text)
    assert records[0] == 'line 2, a quote is not closed: i1,"a'
    assert records[-1] == "i2=Cup"


def test_quotes_that_break_the_rules_belong_to_the_value():
    assert titles('item_id,title\ni1,"Blue" Tent\ni2,5" Tent\n') == ['i1="Blue" Tent', 'i2=5" Tent']


def test_blank_lines_are_no_rows_and_a_wrong_number_of_values_costs_one():
    assert read("item_id,title\n\ni1,Tent\n\r\ni2\ni3,a,b\ni4,\n") == [
        {"item_id": "i1", "title": "Tent"},
        "i2",
        "i3,a,b",
        {"item_id": "i4", "title": None},
    ]


def test_without_a_header_columns_are_called_by_their_places():
    assert read("i1::Tent\ni2::Cup\n", TextLayout(delimiter="::", header=False)) == [
        {"0": "i1", "1": "Tent"},
        {"0": "i2", "1": "Cup"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty; it needs a header line"),
        ("a,b,a\n1,2,3\n", r"distinct names, got \['a'\] more than once"),
        ('a,"b\n1,2\n', "a quote in the first line is not closed"),
    ],
)
def test_a_header_that_names_no_columns_is_a_data_error(text, message):
    with pytest.raises(DataError, match=message):
        read(text)


VALUE = st.text(alphabet='a1 ,;"\n\r', max_size=6)


@given(st.lists(st.tuples(st.integers(0, 99), VALUE, VALUE), max_size=8))
def test_what_a_csv_writer_wrote_is_read_back(rows):
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["item_id", "title", "brand"], *rows])
    expected = [{"item_id": str(a), "title": b or None, "brand": c or None} for a, b, c in rows]
    assert read(file.getvalue()) == expected


@given(st.lists(st.sampled_from(["plain", "12 in", '"Mug', 'Cup "', '"a" b', '"Tent, red"']), min_size=1, max_size=12))
def test_every_line_of_a_table_without_line_breaks_in_values_is_one_record(values):
    lines = [f"i{number},{value}" for number, value in enumerate(values)]
    records = read("\n".join(["item_id,title", *lines]))
    assert len(records) == len(lines)
    for number, record in enumerate(records):
        assert (record if isinstance(record, str) else record["item_id"]).find(f"i{number}") >= 0


def test_the_line_numbers_of_a_file_are_those_of_its_lines():
    lines = Lines(["a", "b", "c"])
    taken = list(itertools.takewhile(lambda line: line is not None, iter(lines.take, None)))
    assert (taken, lines.number) == (["a", "b", "c"], 3)


def test_quotes_that_a_backslash_escapes_are_read_as_spark_writes_them():
    assert titles('item_id,title\ni1,"5\\" pipe, \\"blue\\""\ni2,"C:\\"\ni3,a\\"b\n') == [
        'i1=5" pipe, "blue"',
        "i2=C:\\",
        'i3=a\\"b',
    ]


def test_the_header_of_an_appended_file_is_no_row():
    assert titles("item_id, title\ni1,Tent\nitem_id, title\ni2,Lamp\nitem_id,Lamp\n") == [
        "i1=Tent",
        "line 3 repeats the header: item_id, title",
        "i2=Lamp",
        "item_id=Lamp",
    ]
