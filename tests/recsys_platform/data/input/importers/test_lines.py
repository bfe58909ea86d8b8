"""Lines as records: quotes over several lines, and quotes that nobody closes."""

from recsys_platform.data.input.importers.lines import iter_delimited, iter_objects, sniff_dialect
from recsys_platform.data.input.records import MalformedLine


def read(text: str) -> list[object]:
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    records = iter_delimited(iter(lines), sniff_dialect(lines[0].rstrip()), keys=("item_id",))
    return [record.text if isinstance(record, MalformedLine) else tuple(record.values()) for record in records]


def test_a_quote_that_nobody_closes_costs_its_own_line():
    assert read('item_id,title\ni1,Tent\ni2,"Mug 3\ni3,Lamp\ni4,Cup\n') == [
        ("i1", "Tent"),
        'line 3, a quote is not closed: i2,"Mug 3',
        ("i3", "Lamp"),
        ("i4", "Cup"),
    ]


def test_a_quote_that_a_later_row_closes_costs_its_own_line():
    assert read('item_id,title\ni1,"Mug 3\ni2,Lamp\ni3,Cup "blue"\ni4,Tent\n') == [
        'line 2, a quote is not closed: i1,"Mug 3',
        ("i2", "Lamp"),
        ("i3", 'Cup "blue"'),
        ("i4", "Tent"),
    ]
    assert read('item_id,title\ni1,"Mug 3\ni2,Lamp\ni3,Cup 4"\n') == [
        'line 2, a quote is not closed: i1,"Mug 3',
        ("i2", "Lamp"),
        ("i3", 'Cup 4"'),
    ]


def test_a_backslash_before_a_quote_escapes_it_between_semicolons():
    assert read('item_id;title\ni1;"5\\" pipe; \\"blue\\""\ni2;Cup\n') == [("i1", '5" pipe; "blue"'), ("i2", "Cup")]


def test_values_that_span_lines_are_escaped_too():
    assert read('item_id;title\ni1;"5\\"\npipe"\ni2;Cup\n') == [("i1", '5"\npipe'), ("i2", "Cup")]


def test_an_open_quote_does_not_end_at_the_quotes_of_a_later_line():
    assert read('item_id,title\ni2,"Mug 3\ni3,Lamp\ni5,"Big, Cup"\n') == [
        'line 2, a quote is not closed: i2,"Mug 3',
        ("i3", "Lamp"),
        ("i5", "Big, Cup"),
    ]


def test_a_quoted_field_may_span_lines():
    assert read('item_id,title\ni1,"two\nlines, ""quoted"""\ni2,Cup\n') == [
        ("i1", 'two\nlines, "quoted"'),
        ("i2", "Cup"),
    ]


def test_a_quote_inside_a_field_is_a_character():
    assert read('item_id,title\ni1,5" pipe\ni2,Cup\n') == [("i1", '5" pipe'), ("i2", "Cup")]


def test_line_separators_of_other_alphabets_and_carriage_returns_end_no_record():
    assert read('item_id,title\ni1,"a\u2028b"\ni2,c\u2028d\ni3,"x\ry"\n') == [
        ("i1", "a\u2028b"),
        ("i2", "c\u2028d"),
        ("i3", "x\ry"),
    ]


def test_a_line_with_too_many_or_too_few_fields_is_malformed_and_blank_lines_are_none():
    assert read("a;b\n1;2;3\n\n4\n5;\n") == ["1;2;3", "4", ("5", None)]


def test_objects_are_json_or_python_literals():
    lines = ['{"a": 1}', "{u'a': u'x'}", "", "[1]", "{oops"]
    assert [record.text if isinstance(record, MalformedLine) else record for record in iter_objects(iter(lines))] == [
        {"a": 1},
        {"a": "x"},
        "[1]",
        "{oops",
    ]
