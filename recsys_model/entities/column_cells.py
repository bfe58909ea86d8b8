"""Cells of the items table, read for rules: a column holds numbers, or texts of which an item has any number.

Shape suffixes: N = items.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.errors import DataError

Kind = Literal["number", "text"]
LARGEST_WHOLE = 2**53
"""Larger whole numbers are not exact as floats, so a condition could confuse two of them."""


def kind_of(name: str, cells: Sequence[object]) -> Kind | None:
    """Return what a column holds, None where every cell is missing.

    Raises:
        DataError: numbers and texts are mixed, or a cell is neither.
    """
    kind: Kind | None = None
    for row, cell in enumerate(cells):
        for value in _values(cell):
            other: Kind = "number" if _is_plain_number(value) else "text"
            if other == "text" and not isinstance(value, str | bool | np.bool_):
                raise DataError(
                    f"column {name!r}, row {row}: rules need numbers or texts, got {value!r} of type "
                    f"{type(value).__name__}; convert it, or leave the column out"
                )
            if kind not in (None, other):
                raise DataError(
                    f"column {name!r}, row {row}: the rows before hold {kind}s, got the {other} {value!r}; give either "
                    "numbers alone or texts alone"
                )
            kind = other
    return kind


def read_numbers(name: str, cells: Sequence[object]) -> npt.NDArray[np.float64]:
    """Return one float per item, NaN where the cell is missing, [N].

    Raises:
        DataError: a cell is no number, is infinite, too large to be exact, or has several.
    """
    number_N = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        values = list(_values(cell))
        if not values:
            continue
        if len(values) > 1 or not _is_plain_number(values[0]):
            raise DataError(f"column {name!r}, row {row}: expected one number or nothing, got {cell!r}")
        number_N[row] = _exact_float(name, row, values[0])
    return number_N


def read_texts(name: str, cells: Sequence[object]) -> list[list[str]]:
    """Return the different texts of each item, none where the cell is missing.

    Raises:
        DataError: a value is no text.
    """
    rows: list[list[str]] = []
    for row, cell in enumerate(cells):
        texts: dict[str, None] = {}
        for value in _values(cell):
            if not isinstance(value, str | bool | np.bool_):
                raise DataError(f"column {name!r}, row {row}: expected texts or nothing, got {value!r}")
            texts[value_text(value if isinstance(value, str) else str(bool(value)).lower())] = None
        texts.pop("", None)
        rows.append(list(texts))
    return rows


def value_text(text: str) -> str:
    r"""Return a text as values are compared: blanks folded, letters in Unicode's composed form.

    >>> value_text(" Cafe\u0301  Noir") == "Caf\u00e9 Noir"
    True
    """
    return unicodedata.normalize("NFC", fold_whitespace(text))


def _exact_float(name: str, row: int, value: object) -> float:
    is_too_large = isinstance(value, int | np.integer) and abs(int(value)) > LARGEST_WHOLE
    number = np.inf if is_too_large else float(value)  # type: ignore[arg-type]
    if not np.isfinite(number):
        raise DataError(
            f"column {name!r}, row {row}: numbers must be finite, and whole ones at most 2**53, got {value!r}; give it as text"
        )
    return number


def _is_plain_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _values(cell: object) -> Iterator[object]:
    """Yield the values of a cell that are not missing; a list, tuple or array has any number."""
    several = cell if isinstance(cell, list | tuple | np.ndarray) else (cell,)
    for value in several:
        if value is not None and value == value:
            yield value
