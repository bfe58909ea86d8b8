"""What RecBole's converters do to values: labels, units, quotes, repeated items, names of fields."""

import pytest

from recsys_model.errors import DataError
from tests.recsys_platform.data.input.importers.folders import events, find, left_out, rows, write

INTER = "user_id:token\titem_id:token\ttimestamp:float\n1\t5\t1574000000\n"


def test_impressions_with_label_0_do_not_count(tmp_path):
    text = "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\n1\t5\t0.0\t1574000000.0\n1\t6\t1.0\t1574000001.0\n1\t7\t0\t9\n"
    _, source = find(write(tmp_path, {"mind.inter": text}))
    assert events(source) == [("1", "6", "1574000001.0")]
    assert left_out(source.interactions) == ["impressions that were not clicked (label 0)"] * 2


def test_removals_from_a_cart_do_not_count(tmp_path):
    text = "user_id:token\titem_id:token\tevent:token\ttimestamp:float\n1\t5\tcart\t1\n1\t5\tremove_from_cart\t2\n"
    _, source = find(write(tmp_path, {"cosmetics.inter": text}))
    assert [row["action"] for row in rows(source.interactions)] == ["cart"]
    assert left_out(source.interactions) == ["removals from a cart"]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (("1433221332117", "1433224214164"), ("1433221332.117", "1433224214.164")),
        (("1433221332117000", "1433224214164001"), ("1433221332.117", "1433224214.164001")),
        (("1433221332", "1433224214.5"), ("1433221332", "1433224214.5")),
    ],
)
def test_times_in_smaller_units_are_known_by_their_size(tmp_path, times, seconds):
    text = "timestamp:float\tvisitor_id:token\titem_id:token\n" + "".join(f"{time}\t1\t5\n" for time in times)
    _, source = find(write(tmp_path, {"retailrocket-view.inter": text}))
    assert tuple(time for _, _, time in events(source)) == seconds


def test_items_belong_to_interactions_whose_name_they_begin(tmp_path):
    files = {
        "retailrocket-view.inter": INTER,
        "retailrocket.item": (
            "item_timestamp:float\titem_id:token\tproperty:token\tvalue:token_seq\n"
            "1\t5\t790\tn552\n2\t5\tcategoryid\t1016\n3\t5\tcategoryid\t1017\n"
        ),
        "retail.item": "item_id:token\n9\n",
        "retailrocket-vi.user": "user_id:token\tage:token\n1\t9\n",
    }
    _, source = find(write(tmp_path, files))
    assert (source.files, source.users) == (("retailrocket-view.inter", "retailrocket.item"), None)
    assert rows(source.items) == [{"item_id": "5", "categories": ["1016"]}]
    assert left_out(source.items) == ["properties other than categoryid", "further rows of an item"]
    # a table can be read again
    assert len(rows(source.items)) == 1


def test_a_year_is_told_only_where_titles_are_equal(tmp_path):
    items = (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\n1\tSabrina\t1954\n2\tSabrina\t1995\n3\tHeat\t1995\n"
    )
    _, source = find(write(tmp_path, {"ml.inter": INTER, "ml.item": items}))
    assert [row["title"] for row in rows(source.items)] == ["Sabrina (1954)", "Sabrina (1995)", "Heat"]
    assert set(rows(source.items)[0]) == {"item_id", "title"}


def test_rows_of_items_without_an_id_are_no_repetition(tmp_path):
    items = "item_id:token\ttitle:token\n5\tTent\n\tLamp\n\tStove\n"
    _, source = find(write(tmp_path, {"a.inter": INTER, "a.item": items}))
    assert [row["title"] for row in rows(source.items)] == ["Tent", "Lamp", "Stove"]
    assert left_out(source.items) == []


def test_fields_that_are_not_read_are_named(tmp_path):
    inter = "user_id:token\titem_id:token\ttimestamp:float\tseller_id:token\tlabel:float\n1\t5\t1\t8\t1\n"
    items = "item_id:token\ttitle:token\trelease_year:token\tsales_rank:float\n5\tTent\t1995\t7\n"
    _, source = find(write(tmp_path, {"a.inter": inter, "a.item": items}))
    assert source.notes == (
        "fields of a.inter that were not read: seller_id",
        "fields of a.item that were not read: sales_rank",
    )


def test_quotes_that_pandas_put_around_a_text_are_no_part_of_it(tmp_path):
    items = 'item_id:token\ttitle:token\tcategories:token_seq\n5\t"7"" Pan, ""Big"""\t"\'Women\'\'s\', \'Pans\'"\n6\t"A" and "B"\t\n'
    _, source = find(write(tmp_path, {"a.inter": INTER, "a.item": items}))
    assert [row["title"] for row in rows(source.items)] == ['7" Pan, "Big"', '"A" and "B"']


def test_categories_of_one_value_stay_whole_and_paths_have_two_fields(tmp_path):
    venues = "item_id:token\tvenue_category_name:token\n5\tArts & Crafts Store\n"
    _, source = find(write(tmp_path / "venues", {"a.inter": INTER, "a.item": venues}))
    assert rows(source.items)[0]["categories"] == ["Arts & Crafts Store"]
    news = "item_id:token\tcategory:token_seq\tsub_category:token_seq\ttitle:token_seq\n5\tnews\tnewsus\tA day\n"
    _, source = find(write(tmp_path / "news", {"a.inter": INTER, "a.item": news}))
    assert rows(source.items)[0]["categories"] == ["news", "newsus"]


def test_a_game_without_a_title_has_the_name_of_its_app(tmp_path):
    inter = "user_id:token\tproduct_id:token\ttimestamp:float\n1\t5\t1\n"
    items = "app_name:token\tid:token\ttitle:token\nFortress\t5\t\nCounter\t6\tCounter Strike\n"
    _, source = find(write(tmp_path, {"steam.inter": inter, "steam.item": items}))
    assert [(row["item_id"], row["title"]) for row in rows(source.items)] == [
        ("5", "Fortress"),
        ("6", "Counter Strike"),
    ]


def test_fields_with_other_names_are_named_in_the_columns(tmp_path):
    inter = "shopper:token\tsku:token\tmoment:float\n1\t5\t1433221332117\n"
    items = "sku:token\tlabel_text:token_seq\n5\tTent\n"
    folder = write(tmp_path, {"a.inter": inter, "a.item": items})
    columns = {
        "interactions": {"user_id": "shopper", "item_id": "sku", "timestamp": "moment"},
        "items": {"title": "label_text"},
    }
    _, source = find(folder, columns=columns)
    assert events(source) == [("1", "5", "1433221332.117")]
    assert rows(source.items) == [{"item_id": "5", "title": "Tent"}]
    columns["items"]["categories"] = "label_text"
    assert rows(find(folder, columns=columns)[1].items)[0]["categories"] == ["Tent"]
    columns["interactions"]["user_id"] = "who"
    with pytest.raises(DataError, match=r"a.inter in input.folder .* lacks a field of {'user_id': \('who',\)}; it has"):
        find(folder, columns=columns)
    columns["interactions"] |= {"user_id": "shopper", "timestamp": "when"}
    with pytest.raises(
        DataError, match=r"input.interactions.columns names \['when'\], but \['a.inter'\] .* have \['moment'"
    ):
        find(folder, columns=columns)
