"""The demo shop as its tables show it."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError, DataError
from recsys_platform.demo.behaviour import PROJECTS
from recsys_platform.demo.events import PERIOD_DAYS, PERIOD_START
from recsys_platform.demo.shop import write_demo_shop
from recsys_platform.demo.titles import CATEGORIES, CATEGORY_TO_DEPARTMENT

TABLES = ("interactions.parquet", "items.parquet", "users.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "shop"
    write_demo_shop(folder, seed=3, num_users=60)
    return folder


def test_the_same_seed_gives_the_same_files_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    write_demo_shop(tmp_path / "again", seed=3, num_users=60)
    write_demo_shop(tmp_path / "other", seed=4, num_users=60)
    for name in (*TABLES, "oracle.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()


def test_a_second_call_keeps_the_shop_that_is_there(folder: Path) -> None:
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    told = write_demo_shop(folder, seed=3, num_users=60)
    assert told == json.loads((folder / "oracle.json").read_text(encoding="utf-8"))
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_a_folder_with_anything_else_is_refused_and_left_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds another demo shop"):
        write_demo_shop(folder, seed=5, num_users=60)
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty and holds no demo shop"):
        write_demo_shop(tmp_path, seed=3, num_users=60)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_shop_whose_table_went_missing_is_refused(tmp_path: Path) -> None:
    write_demo_shop(tmp_path, seed=3, num_users=2)
    (tmp_path / "users.parquet").unlink()
    with pytest.raises(DataError, match="holds no demo shop"):
        write_demo_shop(tmp_path, seed=3, num_users=2)


@pytest.mark.parametrize("num_items", [100, 501])
def test_a_number_of_items_outside_the_grid_is_refused(tmp_path: Path, num_items: int) -> None:
    with pytest.raises(ConfigError, match=rf"num_items of the demo shop must be in 101\.\.500, got {num_items}"):
        write_demo_shop(tmp_path / "shop", num_items=num_items)
    assert not (tmp_path / "shop").exists()


def test_exactly_two_items_share_a_title_and_many_titles_start_another(folder: Path) -> None:
    titles = pq.read_table(folder / "items.parquet")["title"].to_pylist()
    counts = Counter(titles)
    assert len(titles) == 300
    assert [count for count in counts.values() if count > 1] == [2]
    pairs = [(short, long) for short in counts for long in counts if long.startswith(short + " ")]
    assert len(pairs) >= 40
    assert ("Alder Trail Tent", "Alder Trail Tent Footprint") in pairs
    assert Counter(title.split()[0] for title in titles).most_common()[-1][1] >= 50


def test_items_have_unique_ids_a_brand_in_their_title_two_categories_and_a_price(folder: Path) -> None:
    rows = pq.read_table(folder / "items.parquet").to_pylist()
    assert len({row["item_id"] for row in rows}) == 300
    for row in rows:
        assert row["title"].split()[0] == row["brand"]
        department, category = row["categories"]
        assert row["title"].endswith(category)
        assert CATEGORY_TO_DEPARTMENT[category] == department
        assert row["price"] > 0.0


def test_every_user_has_20_to_45_events_on_known_items_at_different_times_within_two_years(folder: Path) -> None:
    rows = pq.read_table(folder / "interactions.parquet").to_pylist()
    assert set(rows[0]) == {"user_id", "item_id", "timestamp", "action"}
    users = set(pq.read_table(folder / "users.parquet")["user_id"].to_pylist())
    items = set(pq.read_table(folder / "items.parquet")["item_id"].to_pylist())
    per_user = Counter(row["user_id"] for row in rows)
    assert set(per_user) == users
    assert all(20 <= count <= 45 for count in per_user.values())
    assert {row["item_id"] for row in rows} <= items
    assert {row["action"] for row in rows} == {"buy", "click"}
    assert len({(row["user_id"], row["timestamp"]) for row in rows}) == len(rows)
    assert all(0 <= row["timestamp"] - PERIOD_START <= PERIOD_DAYS * 86_400 for row in rows)


def test_each_window_of_7_and_90_days_before_the_last_event_holds_something(folder: Path) -> None:
    times: dict[str, list[int]] = {}
    for row in pq.read_table(folder / "interactions.parquet").to_pylist():
        times.setdefault(row["user_id"], []).append(row["timestamp"])
    ages = [(max(values) - time) / 86_400 for values in times.values() for time in values if time < max(values)]
    per_user = len(times)
    assert sum(age <= 7 for age in ages) / per_user > 3
    assert sum(7 < age <= 90 for age in ages) / per_user > 5
    assert sum(age > 90 for age in ages) / per_user > 8


def test_repeated_purchases_are_rare(folder: Path) -> None:
    rows = pq.read_table(folder / "interactions.parquet").to_pylist()
    assert 1 - len({(row["user_id"], row["item_id"]) for row in rows}) / len(rows) < 0.08


def test_projects_alternate_departments_and_two_neighbours_tell_the_project() -> None:
    neighbours = [(ring[step], ring[(step + 1) % len(ring)]) for ring in PROJECTS.values() for step in range(len(ring))]
    assert len(set(neighbours)) == len(neighbours)
    assert {category for ring in PROJECTS.values() for category in ring} == set(CATEGORIES)
    for ring in PROJECTS.values():
        assert len({CATEGORY_TO_DEPARTMENT[category] for category in ring[:3]}) == 3
        assert [CATEGORY_TO_DEPARTMENT[category] for category in ring[:3]] == [
            CATEGORY_TO_DEPARTMENT[category] for category in ring[3:]
        ]
