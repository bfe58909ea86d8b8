"""Convert plain columns of user input to ids, numbers, labels and prose.

Each function returns values in which null means missing, and masks of the rows that carry a value
that cannot be read; the caller decides what is rejected. Columns are those that `plain` makes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_platform.data.input.arrow import Mask, flatten, pc, to_mask
from recsys_platform.data.input.written import as_written
from recsys_platform.values.ids import SCIENTIFIC, WHOLE_WITH_POINT, InexactIdError, canonical_id
from recsys_platform.values.labels import (
    MISSING,
    UnreadableLabelError,
    canonical_categories,
    canonical_label,
    canonical_price,
    canonical_word,
    unescape,
)
from recsys_platform.values.lists import parse_nested
from recsys_platform.values.times import parse_number

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ids:
    """A column of ids."""

    values: pa.Array
    """Texts; null without a usable id."""
    is_inexact: Mask
    """The type of the column has rounded the id, so it may be another's."""
    is_nested: Mask
    """A list or an object was given."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers."""

    values: npt.NDArray[np.float64]
    """NaN without a number."""
    is_null: Mask
    """No value was given."""
    is_unparsable: Mask
    """A value was given that is not a number."""


@dataclass(frozen=True, slots=True)
class Labels:
    """A column of features, actions, brands or prices."""

    texts: list[str | None]
    """The one text of each value; None without one."""
    is_unreadable: Mask
    """A value was given that has no plain text, such as an object."""


@dataclass(frozen=True, slots=True)
class Categories:
    """A column of categories."""

    names: list[tuple[str, ...]]
    """Coarse to fine; empty without any."""
    is_unreadable: Mask
    """A value was given that names no categories, such as an object."""


def to_ids(column: pa.Array | pa.ChunkedArray, width: int | None = None) -> Ids:
    """Return ids as texts: whole floats without their `.0`, blank texts and NaN as null.

    Args:
        column: A plain column.
        width: Number of digits; numbers with fewer get zeros in front.
    """
    texts = as_written(column)
    is_missing = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(sorted(MISSING)))
    texts = pc.if_else(is_missing, pa.scalar(None, pa.string()), texts)
    is_float = _matches(texts, SCIENTIFIC) | _matches(texts, WHOLE_WITH_POINT)
    is_rounded = np.zeros(len(texts), dtype=bool)
    if is_float.any():
        written, is_refused = parse_distinct(texts, canonical_id, None, InexactIdError)
        is_rounded = is_refused & is_float
        texts = pc.if_else(pa.array(is_float & ~is_rounded), pa.array(written, pa.string()), texts)
    if width is not None:
        texts = pc.if_else(pa.array(_matches(texts, r"^\d+$")), pc.utf8_lpad(texts, width, "0"), texts)
    is_nested = _is_nested(texts)
    usable = pc.if_else(pa.array(is_rounded | is_nested), pa.scalar(None, pa.string()), texts)
    return Ids(flatten(usable), is_rounded, is_nested)


def to_numbers(column: pa.Array | pa.ChunkedArray) -> Numbers:
    """Return a column of numbers, given as numbers or as text; NaN counts as missing, infinity as unparsable."""
    array = flatten(column)
    if pa.types.is_integer(array.type) or pa.types.is_null(array.type) or array.type == pa.float64():
        values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        is_null = np.isnan(values) | to_mask(array.is_null())
        is_infinite = np.isinf(values)
        return Numbers(np.where(is_infinite, np.nan, values), is_null, is_infinite)
    # the text of a float32 is the number that was meant; its value has the noise of the binary form
    values, is_bad, indices = parse_dictionary(as_written(array), _parse_number, np.nan, ValueError)
    numbers, is_unparsable = np.array(values, dtype=np.float64)[indices], is_bad[indices]
    return Numbers(numbers, np.isnan(numbers) & ~is_unparsable, is_unparsable)


def to_labels(column: pa.Array | pa.ChunkedArray) -> Labels:
    """Return the one text of each label (`values.labels`)."""
    return Labels(*parse_distinct(as_written(column), canonical_label, None, UnreadableLabelError))


def to_prices(column: pa.Array | pa.ChunkedArray) -> Labels:
    """Return prices as numbers where they are clear, else as labels."""
    return Labels(*parse_distinct(as_written(column), canonical_price, None, UnreadableLabelError))


def to_categories(column: pa.Array | pa.ChunkedArray) -> Categories:
    """Return the categories of each row: from lists, JSON lists, or texts with `|` between the names."""
    return Categories(*parse_distinct(as_written(column), canonical_categories, (), UnreadableLabelError))


def to_values(column: pa.Array | pa.ChunkedArray) -> Categories:
    """Return the values of each row for rules: the parts of a list, else the one word, in which `|` stays."""
    return Categories(*parse_distinct(as_written(column), _parse_values, (), UnreadableLabelError))


def to_prose(column: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """Return titles, descriptions and reviews as they are, HTML entities decoded; None for blank ones."""
    return parse_distinct(as_written(column), lambda text: unescape(text).strip() or None, None, ValueError)[0]


def parse_distinct(
    texts: pa.Array, parse: Callable[[str], T], missing: T, error: type[ValueError]
) -> tuple[list[T], Mask]:
    """Parse each distinct text once.

    Returns:
        The value of each row, `missing` for null and for what `parse` refuses with `error`; and the mask of the latter.
    """
    values, is_bad, indices = parse_dictionary(texts, parse, missing, error)
    return [values[index] for index in indices], is_bad[indices]


def parse_dictionary(
    texts: pa.Array, parse: Callable[[str], T], missing: T, error: type[ValueError]
) -> tuple[list[T], Mask, npt.NDArray[np.int64]]:
    """Return the parsed distinct texts and `missing`, the mask of those refused, and each row's place among them."""
    encoded = texts.cast(pa.large_string()).dictionary_encode()
    parsed: list[T] = []
    bad: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        try:
            parsed.append(parse(text))
            bad.append(False)
        except error:
            parsed.append(missing)
            bad.append(True)
    indices = encoded.indices.fill_null(len(parsed)).to_numpy(zero_copy_only=False)
    return [*parsed, missing], np.array([*bad, False], dtype=bool), indices


def _parse_values(text: str) -> tuple[str, ...]:
    if text.lstrip()[:1] in ("[", "{"):
        return canonical_categories(text)
    word = canonical_word(text)
    return () if word is None else (word,)


def _parse_number(text: str) -> float:
    if not text.strip() or text.strip().lower() == "nan":
        return np.nan
    value = parse_number(text)
    if value is None:
        raise ValueError(text)
    return value


def _matches(texts: pa.Array, pattern: str) -> Mask:
    return to_mask(pc.match_substring_regex(texts, pattern).fill_null(False))


def _is_nested(texts: pa.Array) -> Mask:
    mask = _matches(texts, r"^\s*[\[{]")
    for place in np.flatnonzero(mask):
        try:
            mask[place] = parse_nested(texts[int(place)].as_py()) is not None
        except ValueError:
            mask[place] = True
    return mask
