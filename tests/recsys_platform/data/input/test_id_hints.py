"""How ids differ that should be equal."""

from recsys_platform.data.input.id_hints import Side, describe_differences

HERE, THERE = Side(setting="input.interactions", column="item_id"), Side(setting="input.items", column="item_id")


def test_every_way_to_differ_is_counted_once_with_an_example_and_a_way_out():
    unknown = {"108": 3, "b1": 2, " A2 ": 1, "'c3'": 1, "gone": 4}
    assert describe_differences(unknown, ["0108", "B1", "A2", "c3"], HERE, THERE) == [
        "3 of 11 such rows differ from an id of input.items by zeros in front alone ('108' here, '0108' there): "
        "set input.interactions.id_width to {item_id: 4}, or write ids as text in both tables",
        "1 of 11 such rows differ from an id of input.items by blanks alone (' A2 ' here, 'A2' there): "
        "write them alike in both tables",
        "2 of 11 such rows differ from an id of input.items by upper and lower case alone ('b1' here, 'B1' there): "
        "write them alike in both tables",
        "1 of 11 such rows differ from an id of input.items by quotes alone (\"'c3'\" here, 'c3' there): "
        "write them alike in both tables",
    ]


def test_the_table_with_the_shorter_numbers_gets_the_width():
    (hint,) = describe_differences({"007": 1}, ["7"], HERE, THERE)
    assert "set input.items.id_width to {item_id: 3}" in hint


def test_ids_of_another_shop_get_no_hint():
    assert describe_differences({"x": 1}, ["y"], HERE, THERE) == []
