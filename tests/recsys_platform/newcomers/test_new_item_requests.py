"""Users and new items of a dataset become what an endpoint is asked and told."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError
from recsys_platform.config.run import build_config
from recsys_platform.data.new_item_requests import REQUESTS_SCHEMA
from recsys_platform.newcomers.requests import Visits, read_new_items, read_visits
from recsys_platform.newcomers.runs import build_run
from recsys_platform.serve.item_schemas import EditRequest
from recsys_platform.serve.schemas import MAX_CATEGORIES, RecommendRequest


def row(user_id: str, target: str, *, is_new: bool) -> dict[str, Any]:
    event = {"item": "a", "time": 1.0, "action": "buy", "rating": None, "category": "Tents"}
    history = [event, event | {"time": 2.0, "rating": 4.0, "category": None}]
    return {
        "user_id": user_id,
        "is_new": is_new,
        "target_item": target,
        "time": 3.0,
        "history": history,
        "features": [{"name": "city", "value": "Rome"}],
    }


def write_rows(folder: Path, files: list[list[dict[str, Any]]]) -> None:
    requests = folder / "new_items" / "requests"
    requests.mkdir(parents=True)
    for number, rows in enumerate(files):
        pq.write_table(pa.Table.from_pylist(rows, schema=REQUESTS_SCHEMA), requests / f"part-{number}.parquet")


def read(folder: Path, fields: tuple[str, ...] = (), num_users: int = 0) -> Visits:
    return read_visits(folder, k=10, exclude_seen=True, fields=fields, num_users=num_users, seed=1)


def test_a_visit_asks_what_the_endpoint_understands(tmp_path: Path):
    write_rows(tmp_path, [[row("u2", "n1", is_new=True)], [row("u1", "b", is_new=False)]])
    visits = read(tmp_path)
    (of_new,), (other,) = visits.of_new, visits.others
    assert of_new.payload == {
        "user_features": {"city": "Rome"},
        "history": [{"item": "a", "time": 1.0}, {"item": "a", "time": 2.0}],
        "k": 10,
        "exclude_seen": True,
        "time": 3.0,
        "strict": True,
    }
    assert (of_new.target_item, of_new.num_seen, other.target_item) == ("n1", 1, "b")
    RecommendRequest.model_validate(of_new.payload)


def test_an_event_tells_the_fields_that_the_model_is_told_where_they_are_known(tmp_path: Path):
    write_rows(tmp_path, [[row("u", "n1", is_new=True)]])
    (visit,) = read(tmp_path, ("action", "categories", "rating")).of_new
    assert visit.payload["history"] == [
        {"item": "a", "time": 1.0, "action": "buy", "categories": ["Tents"]},
        {"item": "a", "time": 2.0, "action": "buy", "rating": 4.0},
    ]
    RecommendRequest.model_validate(visit.payload)


def test_each_kind_of_user_is_drawn_apart_in_the_order_of_ids(tmp_path: Path):
    rows = [row(f"u{number}", "x", is_new=number % 3 == 0) for number in range(9, -1, -1)]
    write_rows(tmp_path, [rows[:4], rows[4:]])
    everybody, some = read(tmp_path), read(tmp_path, num_users=2)
    assert [visit.user_id for visit in everybody.of_new] == ["u0", "u3", "u6", "u9"]
    assert (len(some.of_new), len(some.others), some.num_of_new, some.num_others) == (2, 2, 4, 6)


def test_new_items_are_read_as_they_are_posted(tmp_path: Path):
    (tmp_path / "new_items").mkdir()
    items = [
        {"id": "n1", "title": "Tent\u2028Pole"},
        {"id": "n2", "title": "Lamp", "brand": "Acme", "categories": [f"C{number}" for number in range(60)]},
    ]
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    (tmp_path / "new_items" / "items.jsonl").write_text(text, encoding="utf-8")
    first, second = read_new_items(tmp_path)
    assert first == items[0]
    assert (len(second["categories"]), second["categories"][-1]) == (MAX_CATEGORIES, "C59")
    EditRequest.model_validate({"add": [first, second]})


def document(**sections: Any) -> dict[str, Any]:
    table = {"path": "/nowhere/table.csv"}
    return {"name": "shop", "storage": "/runs", "input": {"interactions": table, "items": table}, **sections}


def test_the_run_lies_inside_its_base_and_holds_items_out():
    run = build_run(build_config(document()))
    assert run.folder == Path("/runs/shop/new-items")
    assert (run.data.new_items, run.serve.catalog_edits) == (0.05, True)
    assert build_run(build_config(document(data={"new_items": 0.2}))).data.new_items == 0.2


def test_a_dataset_of_another_run_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match="take dataset out of the run"):
        build_run(build_config(document(dataset="/runs/other/dataset")))
