"""Rules that cannot mean anything are refused, with the column, the value and the way out."""

import dataclasses
import json

import pytest

from recsys_model.entities.rules import Cap, Contains, NoneOf, NumberRange, OneOf, Rules
from recsys_model.errors import DataError

REFUSED = {
    "needs a bound, one of at_least, above, at_most, below": lambda: NumberRange(column="price"),
    "at_most of column 'price' must be a finite number, got nan": lambda: NumberRange(
        column="price", at_most=float("nan")
    ),
    "above of column 'price' must be a finite number, got inf": lambda: NumberRange(column="price", above=float("inf")),
    "at_least of column 'price' must be a finite number, got '5'": lambda: NumberRange(column="price", at_least="5"),
    "at_least of column 'price' must be a finite number, got 1000": lambda: NumberRange(
        column="price", at_least=10**400
    ),
    "at_least of column 'price' must be a finite number, got True": lambda: NumberRange(column="price", at_least=True),
    "no number of column 'price' is at_least 5, at_most 4": lambda: NumberRange(column="price", at_least=5, at_most=4),
    "no number of column 'price' is above 5, at_most 5": lambda: NumberRange(column="price", above=5, at_most=5),
    "no number of column 'price' is at_least 5, below 5": lambda: NumberRange(column="price", at_least=5, below=5),
    "column 'brand' needs a list of values, got ()": lambda: OneOf(column="brand", values=()),
    "column 'brand' needs a list of values, got 'Acme'": lambda: NoneOf(column="brand", values="Acme"),
    "values of column 'brand' must be texts or finite numbers, got None": lambda: OneOf(column="brand", values=(None,)),
    "values of column 'price' must be texts or finite numbers, got nan": lambda: OneOf(
        column="price", values=(float("nan"),)
    ),
    "column 'title' must contain a text that is not blank, got ' '": lambda: Contains(column="title", text=" "),
    "column 'brand' must be a whole number of at least 1, got 0; to allow none": lambda: Cap(column="brand", at_most=0),
    "column 'brand' must be a whole number of at least 1, got 1.5": lambda: Cap(column="brand", at_most=1.5),
    "column 'brand' must have one cap, got 2": lambda: Rules(
        caps=(Cap(column="brand", at_most=1), Cap(column="size", at_most=1), Cap(column="brand", at_most=2))
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_rules_without_a_meaning_are_refused(message):
    with pytest.raises(DataError) as error:
        REFUSED[message]()
    assert message in str(error.value)


@pytest.mark.parametrize(
    "bounds", [{"at_least": 5, "at_most": 5}, {"above": 4, "at_most": 5}, {"at_least": 0.0}, {"below": -1}]
)
def test_a_range_that_holds_a_number_is_accepted(bounds):
    assert NumberRange(column="price", **bounds).column == "price"


def test_rules_are_plain_values_that_json_can_hold():
    rules = Rules(
        allow=(1, 2),
        where=(NumberRange(column="price", below=9.5), OneOf(column="brand", values=("Acme",))),
        caps=(Cap(column="brand", at_most=2),),
    )
    assert rules.columns == ("price", "brand")
    assert json.loads(json.dumps(dataclasses.asdict(rules))) == {
        "allow": [1, 2],
        "deny": [],
        "where": [
            {"column": "price", "at_least": None, "above": None, "at_most": None, "below": 9.5},
            {"column": "brand", "values": ["Acme"]},
        ],
        "caps": [{"column": "brand", "at_most": 2}],
    }
