"""Audit a CSV table of HR and NDCG figures: find the rows that no ranking can have.

The columns are `method`, optionally `dataset` and `table`, and figures called `hr@K` or `ndcg@K`; an unknown figure is
left empty.

Spreadsheets and pandas drop zeros at the end of a number, which would make its rounding look coarser than it is. So the
figures of a column have the digits of its longest cell; `AuditedTable.notes` says where a cell has fewer.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.errors import DataError
from recsys_model.evaluation.audit import FIGURE_NAME, Broken, Figure, find_broken_bound, parse_figure

LABELS = ("table", "method", "dataset")


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditedRow:
    """One row and the bound that it breaks."""

    line: int
    """Number of its line in the file, 1 for the header."""
    label: str
    """Table, method and data set."""
    num_figures: int
    """Figures that it has."""
    broken: Broken | None
    """The bound that it breaks; None if it is possible."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditedTable:
    """All rows of a table, and how its figures were read."""

    rows: tuple[AuditedRow, ...]
    """The rows in the order of the file."""
    digits: Mapping[str, int]
    """Column -> digits behind the point that its figures were rounded to."""
    notes: tuple[str, ...]
    """Sentences on cells that have fewer digits than their column, and on columns that differ."""


def audit_file(path: Path, digits: int | None = None) -> AuditedTable:
    """Audit every row of a CSV file.

    Args:
        path: The file.
        digits: Digits of all figures; None: those of the longest cell of each column.

    Raises:
        DataError: it cannot be read, or is no such table; file and line are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return audit_table(lines, digits)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error
    except DataError as error:
        raise DataError(f"{path}, {error}") from error


def audit_table(lines: Iterable[str], digits: int | None = None) -> AuditedTable:
    """Audit every row of a CSV table; `digits` as in `audit_file`.

    Raises:
        DataError: a column is neither a label nor a figure, or a cell is no number; the line is named.

    Example:
        >>> table = audit_table(["method,hr@5,ndcg@5", "ours,0.50,0.45", "theirs,0.5,0.55"])
        >>> [str(row.broken) for row in table.rows]
        ['None', 'NDCG@5 0.55 cannot exceed 0.5050, given HR@5 0.50, one positive per case and their rounding']
        >>> table.notes
        ("hr@5: 1 of 2 figures have fewer than the column's 2 digits and are read with 2, as zeros at their end may have been dropped; split the table if its rows are rounded differently",)
    """
    reader = csv.reader(lines)
    names = [name.strip().lower() for name in next(reader, [])]
    _check_header(names)
    parsed = [_parse_row(names, row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]
    column_digits = {name: _column_digits(name, parsed) for name in names if any(name in row.figures for row in parsed)}
    wanted = column_digits if digits is None else dict.fromkeys(column_digits, digits)
    return AuditedTable(
        rows=tuple(_audit_row(row, wanted) for row in parsed),
        digits=wanted,
        notes=tuple(_notes(parsed, column_digits)) if digits is None else (),
    )


def _check_header(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in LABELS and not FIGURE_NAME.fullmatch(name)]
    if unknown or "method" not in names or len(set(names)) != len(names):
        raise DataError(
            f"line 1: the columns must be method, if wanted dataset and table, and figures such as hr@5 or ndcg@10, "
            f"each once; got {list(names)}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _ParsedRow:
    """One row as printed."""

    line: int
    label: str
    figures: Mapping[str, Figure]


def _parse_row(names: Sequence[str], row: Sequence[str], line: int) -> _ParsedRow:
    if len(row) != len(names):
        raise DataError(f"line {line}: the header has {len(names)} columns, this line {len(row)}; leave cells empty")
    cells = dict(zip(names, row, strict=True))
    label = ", ".join(cells[name].strip() for name in LABELS if cells.get(name, "").strip())
    printed = {name: text for name, text in cells.items() if name not in LABELS and text.strip()}
    figures = {name: _parse_cell(text, None, line, name) for name, text in printed.items()}
    return _ParsedRow(line=line, label=label, figures=figures)


def _audit_row(row: _ParsedRow, name_to_digits: Mapping[str, int]) -> AuditedRow:
    figures = {
        name: _parse_cell(figure.text, name_to_digits[name], row.line, name) for name, figure in row.figures.items()
    }
    return AuditedRow(line=row.line, label=row.label, num_figures=len(figures), broken=find_broken_bound(figures))


def _parse_cell(text: str, digits: int | None, line: int, name: str) -> Figure:
    try:
        return parse_figure(text, digits)
    except DataError as error:
        raise DataError(f"line {line}, {name}: {error}") from error


def _column_digits(name: str, rows: Sequence[_ParsedRow]) -> int:
    """Return the digits of the longest cell of a column."""
    return max(_digits_of(row.figures[name]) for row in rows if name in row.figures)


def _digits_of(figure: Figure) -> int:
    assert figure.digits is not None, "a printed figure has digits"
    return figure.digits


def _notes(rows: Sequence[_ParsedRow], name_to_digits: Mapping[str, int]) -> Iterator[str]:
    for name, digits in name_to_digits.items():
        own = [_digits_of(row.figures[name]) for row in rows if name in row.figures]
        if num_shorter := sum(count < digits for count in own):
            yield (
                f"{name}: {num_shorter} of {len(own)} figures have fewer than the column's {digits} digits and are read "
                f"with {digits}, as zeros at their end may have been dropped; split the table if its rows are rounded "
                "differently"
            )
    most = max(name_to_digits.values(), default=0)
    fewer = [f"{name} {digits}" for name, digits in name_to_digits.items() if digits < most]
    if fewer:
        yield (
            f"columns with fewer digits than the {most} of others: {', '.join(fewer)}; "
            f"if zeros at the end were dropped, audit with --digits {most}"
        )
