"""Which rows of a table count (`input.*.where`): comparisons of columns with constants, joined by `and`.

    label == 1 and kind in (view, 'add to cart') and day >= 2019-10-01

A constant without quotes is a number, `true` or `false` if it looks like one, else text. Numbers compare with numbers and with
texts that are one, so `1` is also `1.0`, `"1"` and `true`. As in SQL, a missing value fulfils no comparison.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recsys_model.errors import DataError

TOKEN = re.compile(
    r"""\s*(?: (?P<operator>==|!=|<=|>=|<|>) | (?P<mark>[(),]) | `(?P<name>[^`]+)` | '(?P<single>[^']*)' | "(?P<double>[^"]*)"
    | (?P<word>[^\s=!<>(),`'"]+) )""",
    re.VERBOSE,
)
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TRUTH = {"true": True, "false": False}
Constant = str | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column compared with constants."""

    column: str
    """Its name, or the path of a field inside it."""
    operator: str
    """One of `OPERATORS`, or `in`."""
    constants: tuple[Constant, ...]
    """One, or those of `in`."""

    def holds(self, value: Any) -> bool:
        """Whether a value of the column fulfils it."""
        if value is None or value != value:
            return False
        if self.operator == "in":
            return any(_compare(operator.eq, value, constant) for constant in self.constants)
        return _compare(OPERATORS[self.operator], value, self.constants[0])


@dataclass(frozen=True)
class Condition:
    """Comparisons that all have to hold."""

    text: str
    """As the configuration has it."""
    comparisons: tuple[Comparison, ...]
    """At least one."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, each once."""
        return tuple(dict.fromkeys(comparison.column for comparison in self.comparisons))

    def holds(self, read: Callable[[str], Any]) -> bool:
        """Whether a row counts, whose values `read` returns by column."""
        return all(comparison.holds(read(comparison.column)) for comparison in self.comparisons)


def parse_condition(text: str, key: str) -> Condition:
    """Return the condition that a setting states.

    Args:
        text: The setting.
        key: Its name, for messages.

    Raises:
        DataError: it is no comparison.

    Example:
        >>> parse_condition("label == 1 and kind in (buy, 'add to cart')", "input.interactions.where").comparisons
        (Comparison(column='label', operator='==', constants=(1,)), Comparison(column='kind', operator='in', constants=('buy', 'add to cart')))
    """
    tokens = _tokens(text, key)
    comparisons = []
    while tokens:
        comparisons.append(_take_comparison(tokens, text, key))
        if tokens and tokens.pop(0) != ("word", "and"):
            raise _wrong(text, key)
        if not tokens and text.rstrip().endswith(" and"):
            raise _wrong(text, key)
    if not comparisons:
        raise _wrong(text, key)
    return Condition(text, tuple(comparisons))


def _tokens(text: str, key: str) -> list[tuple[str, str]]:
    tokens = []
    place = 0
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _wrong(text, key)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


def _take_comparison(tokens: list[tuple[str, str]], text: str, key: str) -> Comparison:
    try:
        kind, column = tokens.pop(0)
        mark, operation = tokens.pop(0)
        if kind not in ("word", "name") or not (mark == "operator" or (mark, operation) == ("word", "in")):
            raise _wrong(text, key)
        constants = _take_list(tokens) if operation == "in" else [_constant(*tokens.pop(0))]
    except (IndexError, KeyError) as error:
        raise _wrong(text, key) from error
    return Comparison(column, operation, tuple(constants))


def _take_list(tokens: list[tuple[str, str]]) -> list[Constant]:
    """Take `(a, b)`; raise KeyError where it is something else."""
    constants = []
    if tokens.pop(0) != ("mark", "("):
        raise KeyError("(")
    while True:
        constants.append(_constant(*tokens.pop(0)))
        mark = tokens.pop(0)
        if mark == ("mark", ")"):
            return constants
        if mark != ("mark", ","):
            raise KeyError(",")


def _constant(kind: str, text: str) -> Constant:
    if kind in ("single", "double"):
        return text
    if kind != "word":
        raise KeyError(text)
    number = to_number(text)
    return TRUTH.get(text.lower(), text if number is None else number)


def _wrong(text: str, key: str) -> DataError:
    return DataError(
        f"{key} must be comparisons of columns with constants, joined by `and`, such as `label == 1` or "
        f"`kind in (view, buy) and watched > 0.5`; got {text!r}. A name with blanks stands in backticks, a text with blanks in quotes"
    )


def _compare(compare: Callable[[Any, Any], bool], value: Any, constant: Constant) -> bool:
    if isinstance(constant, str):
        return compare(_as_text(value), constant)
    number = to_number(value)
    return compare is operator.ne if number is None else compare(number, constant)


def to_number(value: Any) -> int | float | None:
    """Return a number, or the number that a text or a truth value is; None if it is none.

    Example:
        >>> to_number("1.0"), to_number(True), to_number("False"), to_number("one")
        (1.0, True, False, None)
    """
    if isinstance(value, (int, float)):
        return value
    text = str(value).strip()
    if text.lower() in TRUTH:
        return TRUTH[text.lower()]
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else None
        except ValueError:
            continue
    return None


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
