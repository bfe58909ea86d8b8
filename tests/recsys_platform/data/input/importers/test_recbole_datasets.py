"""The data sets of RecBole's conversion tools: each header with five events gives users, items, order and titles.

Headers as the tools write them (RUCAIBox/RecSysDatasets, `conversion_tools/src`). Three further sets, Adult, Criteo and
Phishing Websites, are no interactions of users with items. The Amazon sets have the same fields of items in different
orders.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.run import build_config
from recsys_platform.data.column_needs import open_tables
from recsys_platform.data.input import contract
from recsys_platform.data.input.importers.importing import resolve_input
from recsys_platform.data.input.open import read_items
from recsys_platform.data.input.sources import read_whole

EVENTS = (("U1", "I2", 30), ("U2", "I1", 10), ("U1", "I3", 20), ("U2", "I3", 40), ("U1", "I1", 10))
"""User, item, time; not in order of time."""
BY_TIME = {"U1": ["I1", "I3", "I2"], "U2": ["I1", "I3"]}
BY_ROW = {"U1": ["I2", "I3", "I1"], "U2": ["I1", "I3"]}
TITLES = {"I1": "Alder Tent", "I2": "Cedar Stove", "I3": "Birch Lamp"}


@dataclass(frozen=True)
class Dataset:
    """The headers of a data set, and which fields are which."""

    name: str
    inter: str
    user: str = "user_id"
    item: str = "item_id"
    time: str | None = "timestamp"
    items: str | None = None
    item_id: str | None = None
    title: str | None = None


RATED = "user_id:token item_id:token rating:float timestamp:float"
MIND = "user_id:token item_id:token label:float timestamp:float"
MIND_ITEMS = (
    "item_id:token category:token_seq sub_category:token_seq title:token_seq abstract:token_seq url:token_seq "
    "title_entities:token_seq abstract_entities:token_seq"
)
KDD = (
    "raw:float student_id:token problem_hierarchy:token_seq problem_step_name:token problem_view:float "
    "step_start_time:float first_transaction_time:float correct_transcation_time:float step_end_time:float "
    "step_duration:float correct_step_duration:float error_step_duration:float correct_first_attempt:float "
    "incorrects:float hints:float corrects:float kc:token_seq opportunity:token_seq"
)
STEAM_ITEMS = (
    "app_name:token developer:token early_access:token genres:token_seq id:token metascore:float price:float "
    "publisher:token timestamp:float sentiment:token specs:token_seq tags:token_seq title:token"
)
YELP_ITEMS = (
    "business_id:token item_name:token_seq address:token_seq city:token_seq state:token postal_code:token latitude:float "
    "longitude:float item_stars:float item_review_count:float is_open:float categories:token_seq"
)
TA_FENG = (
    "transaction_date:float customer_id:token age_group:token pin_code:token product_subclass:token product_id:token "
    "amount:float asset:float sales_price:float"
)
MOVIES = "item_id:token movie_name:token_seq release_year:token type:token_seq"
BOOKS = "item_id:token book_title:token_seq book_author:token_seq publication_year:float publisher:token_seq"
ANIME = "item_id:token name:token_seq genre:token_seq type:token episodes:float avg_rating:float members:float"
OTHER_SETS = (
    Dataset(
        "ml-100k",
        RATED,
        items="item_id:token movie_title:token_seq release_year:token class:token_seq",
        title="movie_title",
    ),
    Dataset(
        "ml-1m",
        RATED,
        items="item_id:token movie_title:token_seq release_year:token genre:token_seq",
        title="movie_title",
    ),
    Dataset("ml-10m", RATED, items=MOVIES, title="movie_name"),
    Dataset("ml-20m", RATED, items=MOVIES, title="movie_name"),
    Dataset(
        "tmall-click",
        "user_id:token seller_id:token item_id:token category_id:token timestamp:float interactions:float",
    ),
    Dataset("netflix", "item_id:token user_id:token rating:float timestamp:float"),
    Dataset(
        "foursquare_NYC",
        "user_id:token venue_id:token timezone_offset:float timestamp:float click_times:float",
        item="venue_id",
        items="venue_id:token venue_category_id:token venue_category_name:token latitude:float longitude:float",
        item_id="venue_id",
    ),
    Dataset(
        "diginetica",
        "session_id:token item_id:token timestamp:float times:float",
        user="session_id",
        items="item_id:token item_priceLog2:float item_name:token item_category:token",
        title="item_name",
    ),
    Dataset("anime", "user_id:token item_id:token rating:float", time=None, items=ANIME, title="name"),
    Dataset("epinions", "user_id:token item_id:token rating:float timestamp:float price:float"),
    Dataset("gowalla", "user_id:token item_id:token timestamp:float latitude:float longitude:float num_repeat:float"),
    Dataset(
        "lfm1b-tracks",
        "user_id:token tracks_id:token timestamp:float num_repeat:float",
        item="tracks_id",
        items="tracks_id:token name:token_seq artists_id:token",
        item_id="tracks_id",
        title="name",
    ),
    Dataset("book-crossing", "user_id:token item_id:token rating:float", time=None, items=BOOKS, title="book_title"),
    Dataset(
        "ipinyou-click",
        "user_id:token item_id:token season:token region_id:token city_id:token",
        time=None,
        items="item_id:token season:token slot_width:float slot_height:float slot_price:float category_id:token",
    ),
    Dataset(
        "steam",
        "user_id:token play_hours:float products:token product_id:token page_order:float timestamp:float "
        "early_access:token page:float found_funny:token compensation:token times:float",
        item="product_id",
        items=STEAM_ITEMS,
        item_id="id",
        title="title",
    ),
    Dataset("pinterest", "user_id:token item_id:token", time=None),
    Dataset("jester", "user_id:token item_id:token rating:float", time=None),
    Dataset("douban", "user_id:token item_id:token rating:float timestamp:float likes_num:float"),
    *(
        Dataset(name, KDD, user="student_id", item="problem_step_name", time="step_start_time")
        for name in ("KDD2010-algebra2006", "KDD2010-algebra2008", "KDD2010-bridge-to-algebra2006")
    ),
    Dataset(
        "yelp",
        "review_id:token user_id:token business_id:token stars:float useful:float funny:float cool:float date:float",
        item="business_id",
        time="date",
        items=YELP_ITEMS,
        item_id="business_id",
        title="item_name",
    ),
    Dataset(
        "lastfm",
        "user_id:token artist_id:token weight:float tag_value:token_seq",
        item="artist_id",
        time=None,
        items="artist_id:token name:token url:token picture_url:token",
        item_id="artist_id",
        title="name",
    ),
    Dataset("yoochoose-clicks", "session_id:token timestamp:float item_id:token category:token", user="session_id"),
    Dataset(
        "yahoo-music",
        "anonymous_user_id:token artist_id:token rating:float",
        user="anonymous_user_id",
        item="artist_id",
        time=None,
        items="artist_id:token name:token",
        item_id="artist_id",
        title="name",
    ),
    Dataset("ta-feng", TA_FENG, user="customer_id", item="product_id", time="transaction_date"),
    Dataset("retailrocket-view", "timestamp:float visitor_id:token item_id:token count:float", user="visitor_id"),
    *(
        Dataset(f"mind_{size}_{part}", MIND, items=MIND_ITEMS, title="title")
        for size in ("large", "small")
        for part in ("train", "dev")
    ),
    Dataset(
        "cosmetics",
        "user_id:token item_id:token event:token sess_id:token timestamp:float",
        items="item_id:token cate_id:token price:float",
    ),
)
TITLED = ["item_id:token", "title:token", "price:float", "sales_type:token", "sales_rank:float", "categories:token_seq"]
AMAZON_NAMES = (
    "Beauty",
    "Tools_and_Home_Improvement",
    "Books",
    "Digital_Music",
    "Movies_and_TV",
    "Automotive",
    "Baby",
    "Clothing_Shoes_and_Jewelry",
    "Cell_Phones_and_Accessories",
    "Patio_Lawn_and_Garden",
    "Kindle_Store",
    "Home_and_Kitchen",
    "Grocery_and_Gourmet_Food",
    "Health_and_Personal_Care",
    "Pet_Supplies",
    "Sports_and_Outdoors",
    "Toys_and_Games",
    "Electronics",
    "Office_Products",
    "Video_Games",
    "Musical_Instruments",
)
AMAZON_SETS = (
    *(
        Dataset(
            f"Amazon_{name}",
            RATED,
            items=" ".join([*TITLED[place % 6 :], *TITLED[: place % 6], "brand:token"]),
            title="title",
        )
        for place, name in enumerate(AMAZON_NAMES)
    ),
    Dataset(
        "Amazon_Apps_for_Android",
        RATED,
        items="item_id:token categories:token_seq sales_type:token sales_rank:float price:float",
    ),
    Dataset("Amazon_Instant_Video", RATED, items="item_id:token categories:token_seq price:float"),
)
DATASETS = (*OTHER_SETS, *AMAZON_SETS)
AVAZU = "item_id:token label:float timestamp:float C1:token banner_pos:float site_id:token device_id:token"


def fill(header: str, values: dict[str, str]) -> str:
    """Return a line with these values, and a filler of its type for every other field."""
    fields = [field.split(":") for field in header.split(" ")]
    fillers = {"float": "1.0", "token": "filler", "token_seq": "two words"}
    return "\t".join(values.get(name, fillers[kind]) for name, kind in fields) + "\n"


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a data set with the five events and, if it has a file of items, the three titles."""
    inter = dataset.inter.replace(" ", "\t") + "\n"
    for user, item, time in EVENTS:
        inter += fill(dataset.inter, {dataset.user: user, dataset.item: item, dataset.time or "": f"15740000{time}"})
    (folder / f"{dataset.name}.inter").write_text(inter)
    if dataset.items is not None:
        items = dataset.items.replace(" ", "\t") + "\n"
        for item, title in TITLES.items():
            items += fill(dataset.items, {dataset.item_id or "item_id": item, dataset.title or "": title})
        (folder / f"{dataset.name}.item").write_text(items)


def test_there_are_55_data_sets_and_one_without_users():
    assert len({dataset.name for dataset in DATASETS}) == 55


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_data_set_of_recbole_loads(tmp_path, dataset):
    folder = tmp_path / "source"
    folder.mkdir()
    write_dataset(folder, dataset)
    config = build_config({"name": "run", "storage": str(tmp_path), "input": {"folder": str(folder)}})
    resolved, report = resolve_input(config)

    assert (report.format, report.left_out) == ("recbole", {})
    tables = open_tables(resolved)
    items = read_items(tables, 0.0)
    block = read_whole(tables.interactions)
    checked = contract.check_interactions(block, pa.array(items.item_ids), 1, uses_rating=True).to_pylist()
    assert [row["reason"] for row in checked] == [None] * 5
    sequences: dict[str, list[str]] = {}
    for row in sorted(checked, key=lambda row: (row["timestamp"], row["position"])):
        sequences.setdefault(row["user_id"], []).append(items.item_ids[row["item"]])
    assert sequences == (BY_ROW if dataset.time is None else BY_TIME)
    titles = TITLES if dataset.title is not None else dict.fromkeys(TITLES, "")
    assert dict(zip(items.item_ids, items.titles, strict=True)) == titles
    assert any("have no times" in note for note in report.notes) == (dataset.time is None)


def test_avazu_has_no_users_and_says_how_to_name_some(tmp_path):
    (tmp_path / "avazu.inter").write_text(
        AVAZU.replace(" ", "\t") + "\n" + fill(AVAZU, {"device_id": "D7", "item_id": "I4"})
    )
    document = {"name": "run", "storage": str(tmp_path / "runs"), "input": {"folder": str(tmp_path)}}
    with pytest.raises(
        DataError, match=r"avazu.inter .* lacks a field of {'user_id': .*Name it in input.interactions.columns"
    ):
        resolve_input(build_config(document))
    document["input"] = {"folder": str(tmp_path), "interactions": {"columns": {"user_id": "device_id"}}}
    resolved, _ = resolve_input(build_config(document))

    assert read_whole(open_tables(resolved).interactions)["user_id"].to_pylist() == ["D7"]
