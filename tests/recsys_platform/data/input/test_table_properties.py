"""The same table in CSV, JSON lines and Parquet is read alike, whatever types and values it has.

`RECSYS_TABLE_DRAWS=10000` draws more tables than the few that every test run takes.
"""

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.data.input.contract import check_interactions, check_items, check_users
from recsys_platform.data.input.open import open_interactions, open_items, open_users
from recsys_platform.data.input.reasons import is_kept
from recsys_platform.data.input.sources import read_whole
from tests.recsys_platform.data.input.table_draws import FORMATS, DrawnTable, drawn_tables

NUM_DRAWS = int(os.environ.get("RECSYS_TABLE_DRAWS", "60"))
DRAWS = settings(max_examples=NUM_DRAWS, deadline=None, suppress_health_check=list(HealthCheck))


def write_all(table: DrawnTable, name: str, folder: Path) -> None:
    for ending in FORMATS:
        (folder / ending).mkdir(exist_ok=True)
        table.write(folder / ending / f"{name}.{ending}")


def config_of(folder: Path, ending: str) -> InputConfig:
    paths = {name: str(folder / ending / f"{name}.{ending}") for name in ("interactions", "items", "users")}
    return InputConfig(**{name: TableConfig(path=path) for name, path in paths.items()})


def read_items(config: InputConfig) -> Any:
    """Everything about the items but the values of rejects, which differ in type."""
    table = open_items(config)
    items = check_items(read_whole(table), table.reading)
    num_rejected = sum(not is_kept(reject.reason) for reject in items.rejects)
    assert len(items.item_ids) + num_rejected == table.num_rows
    return dataclasses.replace(items, rejects=[(reject.row, reject.reason) for reject in items.rejects])


def read_users(config: InputConfig) -> Any:
    table, features = open_users(config)
    assert table is not None
    users = check_users(read_whole(table), features, table.reading)
    num_rejected = sum(not is_kept(reject.reason) for reject in users.rejects)
    assert len(users.user_ids) + num_rejected == table.num_rows
    return dataclasses.replace(users, rejects=[(reject.row, reject.reason) for reject in users.rejects])


def read_interactions(config: InputConfig) -> Any:
    table = open_interactions(config)
    block = read_whole(table)
    checked = check_interactions(
        block, pa.array(["12", "7", "x"]), 3, uses_rating=True, keeps_reviews=True, reading=table.reading
    )
    assert checked.num_rows == table.num_rows
    reasons = checked["reason"].to_pylist()
    return [
        (row["row"], row["user_id"], reason) if reason else {**row, "rating": repr(row["rating"])}
        for row, reason in zip(checked.drop_columns(["values"]).to_pylist(), reasons, strict=True)
    ]


def results(read: Any, folder: Path) -> dict[str, Any]:
    """Format -> what was read, or that it was refused with a reason."""
    found = {}
    for ending in FORMATS:
        try:
            found[ending] = read(config_of(folder, ending))
        except DataError as error:
            found[ending] = f"refused {type(error).__name__}"
    return found


@pytest.mark.parametrize(
    ("name", "read"), [("items", read_items), ("users", read_users), ("interactions", read_interactions)]
)
@DRAWS
@given(data=st.data())
def test_a_table_is_read_alike_in_every_format(name: str, read: Any, data: st.DataObject):
    table = data.draw(drawn_tables(name))
    with tempfile.TemporaryDirectory() as folder:
        write_all(table, name, Path(folder))
        found = results(read, Path(folder))
    assert found["csv"] == found["parquet"]
    assert found["jsonl"] == found["parquet"]
