"""Values of published records as values of our tables: texts, lists of categories, seconds."""

import ast
import datetime
import html
import re
from collections.abc import Callable
from typing import Any

from recsys_platform.data.input.importers.source import Value

PRICE = re.compile(r"\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


def to_text(value: Any) -> str | None:
    """Return a value as text; nothing and empty text are None, truth values `true` and `false`."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def to_plain(value: Any) -> str | None:
    """Return text without HTML entities and runs of white space; parts of a list are joined."""
    text = to_text(" ".join(map(str, value)) if isinstance(value, list) else value)
    return None if text is None else " ".join(html.unescape(text).split()) or None


def to_price(value: Any) -> str | None:
    """Return an amount in dollars; None for a range or another text.

    Example:
        >>> to_price("$1,012.99"), to_price(9.5), to_price("$1.00 - $2.00")
        ('1012.99', '9.5', None)
    """
    match = PRICE.fullmatch(str(value).strip()) if isinstance(value, (str, int, float)) else None
    return match[1].replace(",", "") if match else None


def to_rating(value: Any) -> str | None:
    """Return a rating where 0 stands for none given."""
    text = to_text(value)
    return None if text in ("0", "0.0") else text


def to_labels(value: Any) -> list[str]:
    """Return a list of texts: of a list, of a list written in Python, or of one value.

    Example:
        >>> to_labels("['Action', 'Free to Play']"), to_labels(["A", None]), to_labels("[27, 9]")
        (['Action', 'Free to Play'], ['A'], ['27', '9'])
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = parse_list(value)
    parts = value if isinstance(value, list) else [value]
    return [label for part in parts if (label := to_plain(part)) is not None]


def parse_list(text: str) -> list[Any]:
    """Return a list that is written in Python; a text that is none becomes its only part."""
    try:
        parts = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return [text]
    return parts if isinstance(parts, list) else [text]


def split_labels(separator: str, nothing: str = "") -> Callable[[Any], Value]:
    """Return a reader of labels with a separator between them; the text `nothing` has none."""

    def read(value: Any) -> list[str]:
        text = to_plain(value)
        if text is None or text == nothing:
            return []
        return [label for part in text.split(separator) if (label := part.strip())]

    return read


def seconds_from(units_per_second: int) -> Callable[[Any], Value]:
    """Return a reader of whole times in a smaller unit; what is no whole number stays, for the contract to judge.

    Example:
        >>> seconds_from(1000)("1570407501123"), seconds_from(1000)("soon")
        ('1570407501.123', 'soon')
    """
    digits = len(str(units_per_second)) - 1

    def read(value: Any) -> str | None:
        text = to_text(value)
        number = text.removesuffix(".0") if text else ""
        if not (number.isascii() and number.isdigit()):
            return text
        whole, fraction = divmod(int(number), units_per_second)
        return f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".") if fraction else str(whole)

    return read


def seconds_of(*notations: str) -> Callable[[Any], Value]:
    """Return a reader of times in these notations of `strptime`, UTC without a zone; other texts stay.

    Example:
        >>> seconds_of("%m/%d/%Y %I:%M:%S %p")("11/15/2019 8:55:22 AM")
        '1573808122'
    """

    def read(value: Any) -> str | None:
        text = to_text(value)
        if text is None:
            return None
        for notation in notations:
            try:
                moment = datetime.datetime.strptime(text, notation)
            except ValueError:
                continue
            return str(int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()))
        return text

    return read
