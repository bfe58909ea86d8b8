"""The request that the demo sends."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.demo.visitor import visitor_payload
from recsys_platform.serve.schemas import RecommendRequest


def small_shop(folder: Path, **more) -> RunConfig:
    tables = {
        "interactions": {
            "user_id": ["U2", "U1", "U1", "U1"],
            "item_id": ["a", "c", "a", "b"],
            "timestamp": [5, 400, 100, 250],
        },
        "items": {"item_id": ["a", "b", "c"], "title": ["Tent", "Lamp", "Lamp"]},
        "users": {"user_id": ["U1", "U2"], "city": ["Bergen", "Cusco"], "segment": ["expert", "regular"]},
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    places = {name: {"path": str(folder / f"{name}.parquet")} for name in tables}
    return build_config({"name": "demo", "input": {**places, **more}})


def test_the_request_holds_features_and_history_in_order_and_names_equal_titles_by_id(tmp_path: Path) -> None:
    payload = visitor_payload(small_shop(tmp_path), "U1")
    assert payload == {
        "user_features": {"city": "Bergen", "segment": "expert"},
        "history": [{"item": "Tent", "time": 100}, {"item": "b", "time": 250}, {"item": "c", "time": 400}],
        "time": 4000,
        "k": 10,
    }
    assert RecommendRequest.model_validate(payload).time == 4000.0


def test_only_the_features_of_the_run_are_told(tmp_path: Path) -> None:
    assert visitor_payload(small_shop(tmp_path, user_features=["segment"]), "U2")["user_features"] == {
        "segment": "regular"
    }


def test_a_customer_who_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no customer 'U9'"):
        visitor_payload(small_shop(tmp_path), "U9")


def test_a_run_without_a_table_of_users_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"input\.users"):
        visitor_payload(small_shop(tmp_path, users=None))
