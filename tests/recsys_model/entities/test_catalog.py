import pyarrow.parquet
import pytest

from recsys_model.entities.catalog import Catalog, CatalogItem, build_catalog, load_catalog, make_unique_texts
from recsys_model.errors import DataError


class ByteEncoder:
    def encode_entity(self, text: str) -> list[int]:
        return list(f" {text}".encode())


class LowerCaseEncoder:
    def encode_entity(self, text: str) -> list[int]:
        return list(text.lower().encode())


def make_catalog(titles, texts=None, attributes=()):
    item_ids = [f"B00{index}" for index in range(len(titles))]
    return build_catalog(item_ids, titles, texts or titles, attributes, ByteEncoder())


def test_items_keep_their_order_and_attribute_values_are_folded_and_kept_once():
    catalog = build_catalog(["x", "y"], ["B", ""], ["B", "C d"], ["oily", " oily", "", "dry"], ByteEncoder())
    assert catalog == Catalog(
        items=[CatalogItem("x", "B", "B", (32, 66)), CatalogItem("y", "", "C d", (32, 67, 32, 100))],
        attributes={"dry": (32, 100, 114, 121), "oily": (32, 111, 105, 108, 121)},
    )
    assert catalog.item_id_to_index == {"x": 0, "y": 1}


def test_the_pool_holds_items_and_attribute_values():
    pool = make_catalog(["A", "AB"], attributes=["dry", "A"]).pool()
    assert sorted(pool) == [(32, 65), (32, 65, 66), (32, 100, 114, 121)]


def test_two_items_with_the_same_tokens_are_refused_and_both_named():
    with pytest.raises(DataError, match=r"'x' and 'y' have the same tokens .*'Comb' and 'COMB'"):
        build_catalog(["x", "y"], ["Comb", "COMB"], ["Comb", "COMB"], [], LowerCaseEncoder())


def test_an_item_id_that_occurs_twice_is_refused():
    with pytest.raises(DataError, match="must be unique, got 'x' twice"):
        build_catalog(["x", "x"], ["a", "b"], ["a", "b"], [], ByteEncoder())


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="equally many, got 1, 2, 2"):
        build_catalog(["x"], ["a", "b"], ["a", "b"], [], ByteEncoder())


def test_an_item_is_found_by_id_by_title_and_by_its_unique_text():
    catalog = make_catalog(["B002", "Hand  Cream", "", "Comb"], ["B002", "Hand Cream", "Ada Combs", "Comb (x)"])
    references = ["B000", "B001", "B002", " Hand Cream", "Ada Combs", "Comb", "Comb (x)"]
    assert [catalog.find(reference) for reference in references] == [0, 1, 2, 1, 2, 3, 3]


def test_a_title_of_several_items_is_refused_with_their_ids():
    catalog = make_catalog(["Comb", "Comb", "Brush"], ["Comb (1)", "Comb (2)", "Brush"])
    with pytest.raises(DataError, match="title 'Comb' belongs to 2 items; give one of the item ids B000, B001"):
        catalog.find("Comb")


def test_an_unknown_title_is_refused_with_the_closest_ones():
    catalog = make_catalog(["Red Shatter Nail Polish", "Silver Nail Polish", "Hand Cream"])
    with pytest.raises(DataError) as error:
        catalog.find("red shater nail polish")
    assert str(error.value) == (
        "no item has the id or title 'red shater nail polish'; "
        "closest: 'Red Shatter Nail Polish' (B000), 'Silver Nail Polish' (B001)"
    )


def test_an_unknown_id_is_refused_with_the_closest_one():
    catalog = build_catalog(["B004756YJA", "B00B0F0J"], ["Cream", "Comb"], ["Cream", "Comb"], [], ByteEncoder())
    with pytest.raises(DataError, match=r"closest: 'Cream' \(B004756YJA\)$"):
        catalog.find("B004756YJB")


@pytest.mark.parametrize("reference", ["", "   ", "zzzz"])
def test_a_reference_that_resembles_nothing_is_refused_with_a_way_out(reference):
    with pytest.raises(DataError, match=r"give an item id or an exact title of the catalogue$"):
        make_catalog(["Hand Cream", ""], ["Hand Cream", "Combs"]).find(reference)


def test_what_is_written_is_read_back_equal(tmp_path):
    catalog = make_catalog(["Crème “brûlée” &amp; co", "a\u2028b"], attributes=["sèche"])
    catalog.write(tmp_path)
    assert load_catalog(tmp_path) == catalog


def test_a_damaged_catalogue_is_refused_with_file_and_line(tmp_path):
    make_catalog(["A", "B"]).write(tmp_path)
    path = tmp_path / "catalog.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(lines[0] + "\n" + lines[1][:-5] + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"catalog\.jsonl:2 is not JSON"):
        load_catalog(tmp_path)
    path.write_text(lines[0] + '\n{"item_id": "x", "title": "x", "text": 3, "token_ids": [1]}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"catalog\.jsonl:2 must have a str 'text'"):
        load_catalog(tmp_path)
    (tmp_path / "attributes.jsonl").unlink()
    path.write_text(lines[0], encoding="utf-8")
    with pytest.raises(DataError, match=r"attributes\.jsonl is missing"):
        load_catalog(tmp_path)


@pytest.mark.parametrize(
    ("name", "num_items", "num_sharing"), [("amazon_beauty", 12101, 55), ("amazon_toys", 11924, 120)]
)
def test_every_real_item_gets_a_text_and_tokens_of_its_own(shared_data, name, num_items, num_sharing):
    table = pyarrow.parquet.read_table(shared_data / name / "items.parquet")
    columns = table.select(["title", "brand", "categories", "item_id"]).to_pydict()
    titles = [title or "" for title in columns["title"]]
    texts, changed = make_unique_texts(titles, columns["brand"], columns["categories"], columns["item_id"])
    catalog = build_catalog(columns["item_id"], titles, texts, [], ByteEncoder())
    assert len(catalog.items) == len(set(texts)) == num_items
    untitled = sum(not title for title in titles)
    assert num_sharing / 2 <= changed <= num_sharing + untitled
    unchanged = sum(text == " ".join(title.split()) for text, title in zip(texts, titles, strict=True))
    assert unchanged >= num_items - num_sharing - untitled
