"""Candidate sets of protocols other than the whole catalogue: seeded negatives, or a given table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog
from recsys_model.errors import ConfigError, DataError
from recsys_model.evaluation.protocols import sampled_candidates
from recsys_platform.artifacts import sha256_of
from recsys_platform.evaluate.ranking.cases import Case

COLUMNS = ("user_id", "item_id")
NUM_NAMED = 3
"""Maximum number of users or items named in an error."""


def draw_candidates(cases: Sequence[Case], num_items: int, num_negatives: int, seed: int) -> list[list[int]]:
    """Return for each case its target among items that the user never took; they depend only on seed and user.

    Raises:
        DataError: the catalogue has too few items that a user never took.
    """
    return [
        sampled_candidates(seed, case.user_id, case.target_item, case.own_items, num_items, num_negatives)
        for case in cases
    ]


def read_candidates(path: Path, cases: Sequence[Case], catalog: Catalog) -> list[list[int]]:
    """Return for each case the candidates that a table gives its user, in the order of the table.

    The table is Parquet or CSV with the columns user_id and item_id. It has one row per candidate, or one row per user
    with a list in item_id. Rows of other users are ignored.

    Raises:
        ConfigError: The file is missing or lacks a column.
        DataError: A user has no candidates, or not the target among them, or only the target; or an item is unknown or
            listed twice.
    """
    user_to_items = _by_user(_read(path))
    missing = [case.user_id for case in cases if case.user_id not in user_to_items]
    _refuse(missing, path, "must have candidates for every evaluated user, but has none for")
    candidates = [_indices(path, case, user_to_items[case.user_id], catalog) for case in cases]
    without_target = [
        case.user_id for case, items in zip(cases, candidates, strict=True) if case.target_item not in items
    ]
    _refuse(without_target, path, "must have the target among the candidates of each user, but lacks it for")
    with_target_only = [case.user_id for case, items in zip(cases, candidates, strict=True) if len(items) == 1]
    _refuse(
        with_target_only,
        path,
        "must have at least one candidate besides the target, which otherwise always wins, but has none for",
    )
    return candidates


def digest_of_table(path: str | None) -> str | None:
    """Return the SHA-256 of a table of candidates; None without a table."""
    return None if path is None else sha256_of(Path(path))


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise ConfigError(f"evaluate.candidates: {path} does not exist")
    try:
        if path.suffix == ".csv":
            as_text = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
            table = pyarrow.csv.read_csv(path, convert_options=as_text)
        else:
            table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"evaluate.candidates: {path} cannot be read as CSV or Parquet: {error}") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ConfigError(f"evaluate.candidates: {path} must have the columns {COLUMNS}, {missing} are missing")
    return table


def _by_user(table: pa.Table) -> Mapping[str, list[str]]:
    user_to_items: dict[str, list[str]] = {}
    users, items = (table[name].to_pylist() for name in COLUMNS)
    for user, item in zip(users, items, strict=True):
        user_to_items.setdefault(str(user), []).extend(map(str, item if isinstance(item, list) else [item]))
    return user_to_items


def _indices(path: Path, case: Case, item_ids: Sequence[str], catalog: Catalog) -> list[int]:
    unknown = [item for item in item_ids if item not in catalog.item_id_to_index]
    _refuse(unknown, path, f"must have items of the catalogue only, but user {case.user_id!r} has")
    if len(set(item_ids)) < len(item_ids):
        raise DataError(f"evaluate.candidates: {path} lists an item twice for user {case.user_id!r}")
    return [catalog.item_id_to_index[item] for item in item_ids]


def _refuse(wrong: Sequence[str], path: Path, rule: str) -> None:
    if wrong:
        more = f" and {len(wrong) - NUM_NAMED} more" if len(wrong) > NUM_NAMED else ""
        raise DataError(f"evaluate.candidates: {path} {rule} {', '.join(map(repr, wrong[:NUM_NAMED]))}{more}")
