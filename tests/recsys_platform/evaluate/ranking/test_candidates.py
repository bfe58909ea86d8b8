from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.errors import ConfigError, DataError
from recsys_model.text.textualize import TokenizedText
from recsys_platform.evaluate.ranking.candidates import digest_of_table, draw_candidates, read_candidates
from recsys_platform.evaluate.ranking.cases import Case

CATALOG = Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", (n,)) for n in range(6)], {})


def case_of(user_id: str, target: int, own: set[int]) -> Case:
    history = tuple(sorted(own - {target}))
    return Case(
        user_id=user_id,
        text=TokenizedText(),
        history=history,
        target_item=target,
        seen_items=frozenset(history),
        own_items=frozenset(own),
    )


CASES = [case_of("ann", 2, {0, 2}), case_of("bob", 5, {1, 5, 4})]


def write(path: Path, rows: list[tuple[str, object]]) -> Path:
    users, items = zip(*rows, strict=True)
    pq.write_table(pa.table({"user_id": list(users), "item_id": list(items)}), path)
    return path


def test_drawn_candidates_hold_the_target_and_nothing_else_that_the_user_ever_took():
    drawn = draw_candidates(CASES, num_items=6, num_negatives=3, seed=4)

    assert [sorted(items) for items in drawn] == [sorted({2, *drawn[0]}), [0, 2, 3, 5]]
    assert [len(set(items)) for items in drawn] == [4, 4]
    assert 0 not in drawn[0]
    assert draw_candidates(CASES[1:], num_items=6, num_negatives=3, seed=4) == drawn[1:], "whoever else is evaluated"


def test_a_catalogue_without_enough_other_items_is_refused():
    with pytest.raises(DataError, match="4 items that the user never took are needed, the catalogue has 3"):
        draw_candidates(CASES, num_items=6, num_negatives=4, seed=0)


@pytest.mark.parametrize("layout", ["rows", "lists", "csv"])
def test_a_table_gives_candidates_in_its_order_whatever_its_layout(tmp_path, layout):
    rows = [("bob", "i3"), ("ann", "i2"), ("bob", "i5"), ("zoe", "i1"), ("ann", "i0")]
    if layout == "lists":
        path = write(tmp_path / "c.parquet", [("bob", ["i3", "i5"]), ("zoe", ["i1"]), ("ann", ["i2", "i0"])])
    elif layout == "rows":
        path = write(tmp_path / "c.parquet", rows)
    else:
        path = tmp_path / "c.csv"
        path.write_text("user_id,item_id\n" + "".join(f"{user},{item}\n" for user, item in rows))

    assert read_candidates(path, CASES, CATALOG) == [[2, 0], [3, 5]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("ann", "i2")], "must have candidates for every evaluated user, but has none for 'bob'"),
        ([("ann", "i1"), ("bob", "i5")], "the target among the candidates of each user, but lacks it for 'ann'"),
        ([("ann", "i2"), ("ann", "x"), ("bob", "i5")], "must have items of the catalogue only, but user 'ann' has 'x'"),
        ([("ann", "i2"), ("ann", "i2"), ("bob", "i5")], "lists an item twice for user 'ann'"),
    ],
)
def test_candidates_that_do_not_fit_are_refused_by_name(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_candidates(write(tmp_path / "c.parquet", rows), CASES, CATALOG)


def test_a_file_that_is_missing_or_has_other_columns_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_candidates(tmp_path / "none.parquet", CASES, CATALOG)
    pq.write_table(pa.table({"user_id": ["ann"]}), tmp_path / "c.parquet")
    with pytest.raises(ConfigError, match=r"\['item_id'\] are missing"):
        read_candidates(tmp_path / "c.parquet", CASES, CATALOG)
    (tmp_path / "d.parquet").write_text("no table")
    with pytest.raises(ConfigError, match="cannot be read as CSV or Parquet"):
        read_candidates(tmp_path / "d.parquet", CASES, CATALOG)


def test_an_item_without_a_competitor_is_refused(tmp_path):
    path = write(tmp_path / "c.parquet", [("ann", "i2"), ("bob", "i5"), ("bob", "i1")])

    with pytest.raises(DataError, match=r"which otherwise always wins, but has none for 'ann'$"):
        read_candidates(path, CASES, CATALOG)


def test_a_table_is_known_by_its_content(tmp_path):
    one = write(tmp_path / "a.parquet", [("ann", "i2")])
    same = write(tmp_path / "b.parquet", [("ann", "i2")])
    other = write(tmp_path / "c.parquet", [("ann", "i3")])

    assert digest_of_table(str(one)) == digest_of_table(str(same)) != digest_of_table(str(other))
    assert digest_of_table(None) is None
