"""Logs and reviews of shops: tiny folders in each published layout, and what becomes of every record."""

import pytest

from recsys_model.errors import DataError
from tests.recsys_platform.data.input.importers.folders import events, find, left_out, lines, rows, write

REVIEW_2023 = {
    "rating": 5.0,
    "title": "Good",
    "text": "Works.",
    "images": [],
    "asin": "B0CHILD",
    "parent_asin": "B0PARENT",
    "user_id": "AE2",
    "timestamp": 1628643414042,
    "helpful_vote": 0,
    "verified_purchase": True,
}
META_2023 = {
    "main_category": "Tools",
    "title": "Torque &amp; Wrench",
    "price": "23.99",
    "store": "Acme Store",
    "categories": ["Tools", "Hand Tools"],
    "details": {"Brand": "Acme"},
    "parent_asin": "B0PARENT",
    "description": ["First.", "Second."],
    "features": [],
}


def test_raw_amazon_reviews_of_2023_meet_their_metadata_by_the_parent_and_have_milliseconds(tmp_path):
    untitled = {"main_category": None, "title": "", "price": None, "store": "Shop", "parent_asin": "B2", "details": {}}
    files = {
        "Tools.jsonl.gz": lines(REVIEW_2023, "{oops"),
        "meta_Tools.jsonl.gz": lines(META_2023, untitled),
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files) == ("amazon2023", ("Tools.jsonl.gz", "meta_Tools.jsonl.gz"))
    assert rows(source.interactions) == [
        {
            "user_id": "AE2",
            "item_id": "B0PARENT",
            "timestamp": "1628643414.042",
            "rating": "5.0",
            "review_text": "Works.",
            "summary": "Good",
        },
        "{oops",
    ]
    assert [list(row.values()) for row in rows(source.items)] == [
        ["B0PARENT", "Torque & Wrench", "Acme", ["Tools", "Hand Tools"], "23.99", "First. Second."],
        ["B2", None, "Shop", [], None, None],
    ]


def test_the_benchmark_files_of_2023_are_one_table_and_their_history_repeats_it(tmp_path):
    header = "user_id,parent_asin,rating,timestamp,history\n"
    files = {
        "Tools.train.csv": header + "AE2,B1,5.0,1628643414042,\nAE2,B2,4.0,1628643415000,B1\n",
        "Tools.valid.csv": header + "AE2,B3,4.0,1628643416000,B1 B2\n",
        "Tools.test.csv": header + "AE2,B4,4.0,1628643417000,B1 B2 B3\n",
    }
    _, source = find(write(tmp_path, files))

    assert sorted(events(source), key=lambda event: event[2]) == [
        ("AE2", "B1", "1628643414.042"),
        ("AE2", "B2", "1628643415"),
        ("AE2", "B3", "1628643416"),
        ("AE2", "B4", "1628643417"),
    ]


def test_two_departments_of_2023_are_refused(tmp_path):
    text = "user_id,parent_asin,rating,timestamp\nAE2,B1,5.0,1628643414042\n"
    with pytest.raises(DataError, match=r"one file of reviews, got \['Baby.csv', 'Tools.csv'\]; move the others away"):
        find(write(tmp_path, {"Tools.csv": text, "Baby.csv": text}))


@pytest.mark.parametrize(
    "line", ["A39HTATAQ9V7YF,0205616461,5.0,1369699200", "0205616461,A39HTATAQ9V7YF,5.0,1369699200"]
)
def test_ratings_without_a_header_begin_with_the_user_in_2014_and_with_the_item_in_2018(tmp_path, line):
    name, source = find(write(tmp_path, {"ratings.csv": line + "\n" + line + "\n"}))

    assert (name, source.why) == ("mcauley", "ratings.csv begins with a line of user, item, rating and time")
    assert events(source) == [("A39HTATAQ9V7YF", "0205616461", "1369699200")] * 2


def test_yelp_has_times_as_text_and_categories_with_commas(tmp_path):
    review = {
        "review_id": "r1",
        "user_id": "u1",
        "business_id": "b1",
        "stars": 4.0,
        "useful": 0,
        "text": "Fine.",
        "date": "2014-10-11 03:34:02",
    }
    business = {
        "business_id": "b1",
        "name": "Blue  Door",
        "city": "Tampa",
        "categories": "Food, Coffee & Tea",
        "stars": 4.5,
    }
    files = {"yelp_academic_dataset_review.json": lines(review), "yelp_academic_dataset_business.json": lines(business)}
    name, source = find(write(tmp_path, files | {"yelp_academic_dataset_user.json": lines({"user_id": "u1"})}))

    assert name == "yelp"
    assert events(source) == [("u1", "b1", "2014-10-11 03:34:02")]
    assert rows(source.items) == [
        {"item_id": "b1", "title": "Blue Door", "brand": "Tampa", "categories": ["Food", "Coffee & Tea"]}
    ]


def test_steams_lines_are_python_literals(tmp_path):
    files = {
        "steam_reviews.json.gz": "{u'username': u'Ann', u'product_id': u'10', u'date': u'2017-12-17', u'text': u'ok'}\n",
        "steam_games.json.gz": (
            "{u'id': u'10', u'app_name': u'Counter', u'title': u'Counter Strike', u'genres': [u'Action'], "
            "u'developer': u'Valve', u'price': u'Free To Play'}\n{u'id': u'20', u'app_name': u'Fortress', u'price': 4.99}\n"
        ),
    }
    name, source = find(write(tmp_path, files))

    assert (name, events(source)) == ("steam", [("Ann", "10", "2017-12-17")])
    assert [list(row.values()) for row in rows(source.items)] == [
        ["10", "Counter Strike", "Valve", ["Action"], None],
        ["20", "Fortress", None, [], "4.99"],
    ]


def test_hm_keeps_the_zeros_of_its_articles(tmp_path):
    files = {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,c1,0108775015,0.05,2\n",
        "articles.csv": (
            "article_id,prod_name,product_type_name,product_group_name,colour_group_name,index_group_name,detail_desc\n"
            '0108775015,Strap top,Vest top,Garment Upper body,Black,Ladieswear,"Jersey top, narrow straps."\n'
        ),
        "customers.csv": "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code\nc1,,,ACTIVE,NONE,49.0,52\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, events(source)) == ("hm", [("c1", "0108775015", "2018-09-20")])
    assert rows(source.items) == [
        {
            "item_id": "0108775015",
            "title": "Strap top",
            "brand": "Black",
            "categories": ["Ladieswear", "Garment Upper body", "Vest top"],
            "description": "Jersey top, narrow straps.",
        }
    ]
    assert rows(source.users) == [
        {"user_id": "c1", "age": "49.0", "club_member_status": "ACTIVE", "fashion_news_frequency": "NONE"}
    ]


def test_retailrocket_has_visitors_milliseconds_and_the_latest_category(tmp_path):
    files = {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n",
        "item_properties_part1.csv": (
            "timestamp,itemid,property,value\n1435460400000,355908,categoryid,1338\n1435460400000,355908,888,66 n9\n"
        ),
        "item_properties_part2.csv": "timestamp,itemid,property,value\n1436065200000,355908,categoryid,1400\n",
        "category_tree.csv": "categoryid,parentid\n1016,213\n",
    }
    name, source = find(write(tmp_path, files))

    assert name == "retailrocket"
    assert rows(source.interactions) == [
        {"user_id": "257597", "item_id": "355908", "timestamp": "1433221332.117", "action": "view"}
    ]
    assert rows(source.items) == [{"item_id": "355908", "categories": ["1400"]}]
    assert left_out(source.items) == ["properties other than categoryid", "earlier categories of an item"]


def test_digineticas_users_are_sessions_whose_views_have_a_day_and_milliseconds(tmp_path):
    files = {
        "train-item-views.csv": (
            "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n1;NA;31331;1031018;2016-05-09\n"
        ),
        "products.csv": "itemId;pricelog2;product.name.tokens\n81766;10;4875,776\n",
        "product-categories.csv": "itemId;categoryId\n81766;1096\n",
        "train-clicks.csv": "queryId;timeframe;itemId\n1;16933;81766\n",
    }
    name, source = find(write(tmp_path, files))

    # 2016-05-09 is second 1462752000
    assert (name, events(source)) == (
        "diginetica",
        [("1", "81766", "1462752526.309"), ("1", "31331", "1462753031.018")],
    )
    assert rows(source.items) == [{"item_id": "81766", "title": "4875 776", "categories": ["1096"]}]
    assert "train-clicks.csv" not in source.files


def test_ottos_events_are_nested_in_sessions(tmp_path):
    sessions = (
        {"session": 0, "events": [{"aid": 59625, "ts": 1661724000278, "type": "clicks"}, "?"]},
        {"session": 1, "events": [{"aid": 7, "ts": 1661724000000, "type": "orders"}]},
    )
    name, source = find(write(tmp_path, {"train.jsonl": lines(*sessions)}))

    assert (name, source.items) == ("otto", None)
    assert rows(source.interactions) == [
        {"user_id": "0", "item_id": "59625", "timestamp": "1661724000.278", "action": "clicks"},
        {"user_id": "1", "item_id": "7", "timestamp": "1661724000", "action": "orders"},
    ]
    assert left_out(source.interactions) == ["events that are no objects"]
