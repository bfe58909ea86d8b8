"""What rules may name: the columns of the items table, as numbers or texts."""

import logging

import pytest

from recsys_model.entities.rules import NumberRange, OneOf, Rules
from recsys_platform.data.input.contract import Items
from recsys_platform.data.item_columns import build_item_columns


def items(prices: list[str | None], **columns: list[tuple[str, ...]]) -> Items:
    size = len(prices)
    return Items(
        item_ids=[f"i{index}" for index in range(size)],
        brands=[None] * size,
        categories=[("Tents", "Domes"), *[()] * (size - 1)],
        prices=prices,
        columns=columns,
    )


def test_columns_without_any_value_are_left_out_and_lists_are_texts():
    built = build_item_columns(items(["1", None], colour=[(), ()], sizes=[("38", "39"), ("40",)]))
    assert built.kinds == {"categories": "text", "price": "number", "sizes": "text"}
    assert built.mask(Rules(where=(OneOf(column="sizes", values=("39",)),))).tolist() == [True, False]


def test_a_price_that_is_no_number_is_none_and_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        built = build_item_columns(items(["5", "$1 - $2", "20.5", None]))
    assert built.mask(Rules(where=(NumberRange(column="price", at_least=0),))).tolist() == [True, False, True, False]
    assert "1 of 3 prices are no numbers, such as '$1 - $2'" in caplog.text


def test_a_column_in_which_one_value_is_no_number_holds_texts_which_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        built = build_item_columns(items([None] * 4, size=[("38",), ("39",), ("40",), ("XL",)]))
    assert built.kinds["size"] == "text"
    assert "column size as texts, since not all are numbers, such as 'XL'" in caplog.text


def test_ids_that_a_float_would_round_are_texts():
    assert build_item_columns(items([None], ean=[("12345678901234567",)])).kinds["ean"] == "text"
