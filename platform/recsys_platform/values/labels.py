"""One text for one label: a feature, an action, a category, a brand or a price.

Tables have no types in CSV, and others in Parquet than in JSON; a request has those of its client. The same value gets
the same text in all of them, since the model knows a label by its text alone.
"""

import datetime
import html
import json
import re
from collections.abc import Iterator
from typing import Any

from recsys_model.entities.unique_texts import fold_whitespace
from recsys_platform.values.lists import parse_nested
from recsys_platform.values.numbers import canonical_number

ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?")
PRICE = re.compile(r"([$€£¥]?) ?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)? ?([$€£¥]?)")
EUROPEAN_PRICE = re.compile(r"[€£$¥]? ?(\d{1,3}(?:\.\d{3})+),(\d{2}) ?[€£$¥]?")
MISSING = frozenset({"", "nan", "NaN"})
TRUTH = frozenset({"true", "false"})
SEPARATOR = ", "
"""Between the parts of a list in its text."""
CATEGORY_SEPARATOR = "|"
"""Between the categories of an item in a text column."""


class UnreadableLabelError(ValueError):
    """A value that has no plain text, such as an object."""


def unescape(text: str) -> str:
    """Decode the HTML entities of a text; an ampersand without a semicolon stays.

    Example:
        >>> unescape("Hair &amp; Skin"), unescape("AT&T &copy 2019")
        ('Hair & Skin', 'AT&T &copy 2019')
    """
    return ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


def canonical_label(text: str) -> str | None:
    """Return the one text of the label that `text` writes; None if it is missing.

    Numbers lose zeros that say nothing, truth values are `true` and `false`, moments have a blank between date and
    time, lists are written with commas.

    Raises:
        UnreadableLabelError: it is an object, or a list of lists or objects.

    Example:
        >>> [canonical_label(text) for text in ("25.0", "TRUE", " New  York ", "['a', 2.0]", "007", "NaN")]
        ['25', 'true', 'New York', 'a, 2', '007', None]
        >>> canonical_label("2024-05-01T12:30:00+02:00"), canonical_label("2024-05-01 00:00:00")
        ('2024-05-01 10:30:00Z', '2024-05-01')
    """
    value = _parse(unescape(text)) if text.lstrip()[:1] in ("[", "{") else None
    return canonical_word(text) if value is None else SEPARATOR.join(_parts(value)) or None


def canonical_word(text: str) -> str | None:
    """Return the one text of a part of a list, such as a category; None if it is missing.

    Example:
        >>> [canonical_word(text) for text in ("27.0", "Hair &amp; Skin", "[A]", " ")]
        ['27', 'Hair & Skin', '[A]', None]
    """
    text = fold_whitespace(unescape(text))
    if text in MISSING:
        return None
    if text.lower() in TRUTH:
        return text.lower()
    if MOMENT.fullmatch(text):
        return _canonical_moment(text)
    return canonical_number(text) or text


def label_of(value: str | float | bool) -> str | None:
    """Return the one text of a value of a request.

    Example:
        >>> [label_of(value) for value in (True, 25, 25.0, 1.5, 1e-5, " New  York ")]
        ['true', '25', '25', '1.5', '0.00001', 'New York']
    """
    return canonical_label(value if isinstance(value, str) else json.dumps(value))


def canonical_categories(text: str) -> tuple[str, ...]:
    """Return the categories that `text` writes, coarse to fine: a list, or words with `|` between them.

    Of a list of paths it is the longest, the first among equals.

    Raises:
        UnreadableLabelError: it is an object, or has objects in it.

    Example:
        >>> canonical_categories("Garden | Tents"), canonical_categories('["A|B", 27.0]'), canonical_categories("[[1], [1, 2]]")
        (('Garden', 'Tents'), ('A|B', '27'), ('1', '2'))
    """
    text = unescape(text)
    value = _parse(text) if text.lstrip()[:1] in ("[", "{") else None
    if value is None:
        parts = map(canonical_word, text.split(CATEGORY_SEPARATOR))
        return tuple(part for part in parts if part is not None)
    paths = value if isinstance(value, list) and all(isinstance(part, list) for part in value) else []
    return tuple(_parts(max(paths, key=len) if paths else value))


def canonical_price(text: str) -> str | None:
    """Return the number of a price that has one meaning, else its label.

    Raises:
        UnreadableLabelError: as for `canonical_label`.

    Example:
        >>> [canonical_price(text) for text in ("$1,012.50", "1.012,50 €", "12.90", "1,012", "$1.00 - $2.00")]
        ['1012.5', '1012.5', '12.9', '1,012', '$1.00 - $2.00']
    """
    text = fold_whitespace(text)
    if match := EUROPEAN_PRICE.fullmatch(text):
        return canonical_number(f"{match[1].replace('.', '')}.{match[2]}")
    match = PRICE.fullmatch(text)
    is_clear = match is not None and ("," not in match[2] or match[3] or match[1] or match[4])
    if match is None or not is_clear:
        return canonical_label(text)
    number = f"{match[2].replace(',', '')}{match[3] or ''}"
    return canonical_number(number) or number


def _parse(text: str) -> list[Any] | dict[Any, Any] | None:
    try:
        return parse_nested(text)
    except ValueError as error:
        raise UnreadableLabelError(str(error)) from error


def _parts(value: list[Any] | dict[Any, Any]) -> Iterator[str]:
    """Yield the texts of a list."""
    if isinstance(value, dict):
        raise UnreadableLabelError("an object has no plain text")
    for part in value:
        if isinstance(part, (list, tuple, dict, set)):
            raise UnreadableLabelError("a list of lists or objects has no plain text")
        written = part if isinstance(part, str) or part is None else _write(part)
        text = None if written is None else canonical_word(written)
        if text is not None:
            yield text


def _write(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (bool, int, float)) else str(value)


def _canonical_moment(text: str) -> str:
    """Write a moment as `YYYY-MM-DD HH:MM:SS`, in UTC with a Z if it has a zone; midnight without a zone is its day."""
    try:
        moment = datetime.datetime.fromisoformat(text.replace(" UTC", "Z").replace(" Z", "Z"))
    except ValueError:
        return text
    zone = ""
    if moment.tzinfo is not None:
        try:
            moment, zone = moment.astimezone(datetime.UTC).replace(tzinfo=None), "Z"
        except OverflowError:
            return text
    elif moment.time() == datetime.time():
        return moment.date().isoformat()
    written = moment.isoformat(sep=" ")
    return (written.rstrip("0") if "." in written else written) + zone
