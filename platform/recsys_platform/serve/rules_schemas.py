"""`rules` of a request: conditions on columns of the items table, and caps; FastAPI generates OpenAPI from these classes."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from recsys_model.entities.rules import Cap, Condition, Contains, NoneOf, NumberRange, OneOf, Rules, Value
from recsys_platform.serve.fields import FeatureValue, StrictModel, Text
from recsys_platform.values.labels import canonical_word

MAX_CONDITIONS = 50
MAX_CAPS = 10
MAX_VALUES = 10_000
BOUNDS = ("at_least", "above", "at_most", "below")

Bound = Annotated[float | None, Field(allow_inf_nan=False)]
Values = Annotated[list[FeatureValue] | None, Field(min_length=1, max_length=MAX_VALUES)]


class ConditionFields(StrictModel):
    """A condition that every item meets; several fields must all be met."""

    column: Text = Field(description="A column of the items table; `GET /v1/models` lists them.", examples=["price"])
    at_least: Bound = Field(None, description="Smallest number.")
    above: Bound = Field(None, description="The number is larger than this.")
    at_most: Bound = Field(None, description="Largest number.", examples=[50])
    below: Bound = Field(None, description="The number is smaller than this.")
    one_of: Values = Field(None, description="The item has at least one of these values.", examples=[["Cairn"]])
    none_of: Values = Field(
        None, description="The item has none of these values. An item without a value in the column meets this alone."
    )
    contains: Text | None = Field(
        None, description="At least one text of the item contains this text, in any upper and lower case."
    )

    @model_validator(mode="before")
    @classmethod
    def _explain_min_and_max(cls, fields: Any) -> Any:
        for name, ours in (("min", "at_least"), ("max", "at_most")):
            if isinstance(fields, dict) and name in fields:
                raise ValueError(f"{name} is called {ours} here, for column {fields.get('column')!r}")
        return fields

    @model_validator(mode="after")
    def _has_a_test(self) -> "ConditionFields":
        if not self.to_conditions():
            tests = ", ".join((*BOUNDS, "one_of", "none_of", "contains"))
            raise ValueError(f"a condition on column {self.column!r} needs one of {tests}")
        return self

    def to_conditions(self) -> list[Condition]:
        """Return the conditions, one for each kind of test.

        Raises:
            DataError: no number lies between the bounds.
        """
        bounds = {name: getattr(self, name) for name in BOUNDS if getattr(self, name) is not None}
        return [
            *([NumberRange(column=self.column, **bounds)] if bounds else []),
            *([OneOf(column=self.column, values=_plain(self.one_of))] if self.one_of is not None else []),
            *([NoneOf(column=self.column, values=_plain(self.none_of))] if self.none_of is not None else []),
            *([Contains(column=self.column, text=self.contains)] if self.contains is not None else []),
        ]


class CapFields(StrictModel):
    """At most so many items of each value of a column; an item with several values counts for each."""

    column: Text = Field(description="A column of the items table.", examples=["brand"])
    at_most: int = Field(ge=1, strict=True, description="Items per value.", examples=[2])


class RulesFields(StrictModel):
    """Which items an answer may have, by columns of the items table."""

    where: list[ConditionFields] = Field([], max_length=MAX_CONDITIONS, description="Conditions that every item meets.")
    caps: list[CapFields] = Field([], max_length=MAX_CAPS, description="Limits per value, at most one per column.")

    @model_validator(mode="after")
    def _is_consistent(self) -> "RulesFields":
        self.to_rules()
        return self

    def to_rules(self) -> Rules:
        """Return the rules in the form that the search takes.

        Raises:
            DataError: two caps name one column.
        """
        return Rules(
            where=tuple(condition for each in self.where for condition in each.to_conditions()),
            caps=tuple(Cap(column=each.column, at_most=each.at_most) for each in self.caps),
        )


def _plain(values: list[Any]) -> tuple[Value, ...]:
    """Return values as the data stage writes them: true and false are texts."""
    written = [str(value).lower() if isinstance(value, bool) else value for value in values]
    return tuple((canonical_word(value) or value) if isinstance(value, str) else value for value in written)
