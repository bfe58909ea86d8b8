"""Audit a CSV table of HR and NDCG figures: find the rows that no ranking can have.

The columns are `method`, optionally `dataset` and `table`, and figures called `hr@K` or `ndcg@K`; an unknown figure is
left empty.
"""

import csv
from collections.abc import Iterable, Sequence
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


def audit_file(path: Path) -> list[AuditedRow]:
    """Audit every row of a CSV file.

    Raises:
        DataError: it cannot be read, or is no such table; file and line are named.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return audit_table(lines)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error
    except DataError as error:
        raise DataError(f"{path}, {error}") from error


def audit_table(lines: Iterable[str]) -> list[AuditedRow]:
    """Audit every row of a CSV table.

    Raises:
        DataError: a column is neither a label nor a figure, or a cell is no number; the line is named.

    Example:
        >>> audited = audit_table(["method,hr@5,ndcg@5", "ours,0.50,0.45", "theirs,0.50,0.55"])
        >>> [str(row.broken) for row in audited]
        ['None', 'NDCG@5 0.55 cannot exceed 0.5050, given HR@5 0.50, one positive per case and their rounding']
    """
    reader = csv.reader(lines)
    names = [name.strip().lower() for name in next(reader, [])]
    _check_header(names)
    return [_audit_row(names, row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]


def _check_header(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in LABELS and not FIGURE_NAME.fullmatch(name)]
    if unknown or "method" not in names or len(set(names)) != len(names):
        raise DataError(
            f"line 1: the columns must be method, if wanted dataset and table, and figures such as hr@5 or ndcg@10, "
            f"each once; got {list(names)}"
        )


def _audit_row(names: Sequence[str], row: Sequence[str], line: int) -> AuditedRow:
    if len(row) != len(names):
        raise DataError(f"line {line}: the header has {len(names)} columns, this line {len(row)}; leave cells empty")
    cells = dict(zip(names, row, strict=True))
    label = ", ".join(cells[name].strip() for name in LABELS if cells.get(name, "").strip())
    figures = _parse_figures(cells, line)
    return AuditedRow(line=line, label=label, num_figures=len(figures), broken=find_broken_bound(figures))


def _parse_figures(cells: dict[str, str], line: int) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for name, text in cells.items():
        if name in LABELS or not text.strip():
            continue
        try:
            figures[name] = parse_figure(text)
        except DataError as error:
            raise DataError(f"line {line}, {name}: {error}") from error
    return figures
