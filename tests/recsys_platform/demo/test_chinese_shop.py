"""The Chinese demo shop: the same shop in other words, with ratings and reviews that follow the taste."""

import itertools
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_model.text.explanations import FeatureWords
from recsys_platform.config.run import build_config
from recsys_platform.demo.customers import FEATURES, SEGMENTS
from recsys_platform.demo.reviews import _ASPECTS, _CATEGORY_ASPECTS
from recsys_platform.demo.shop import build_shop, write_demo_shop
from recsys_platform.demo.titles import BRANDS, CATEGORIES, DEPARTMENTS, SERIES
from recsys_platform.demo.visitor import visitor_payload
from recsys_platform.demo.words import WORDS

HAN = re.compile(r"[\u4e00-\u9fff0-9]+")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shops")
    for language in ("en", "zh"):
        write_demo_shop(folder / language, seed=3, num_users=60, language=language)
    return {language: folder / language for language in ("en", "zh")}


def rows(folder: Path, name: str) -> list[dict]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_everything_has_a_chinese_name_of_its_own():
    keys = [*BRANDS, *SERIES, *DEPARTMENTS, *CATEGORIES, *FEATURES, "segment", "buy", "click"]
    names = [WORDS["zh"].name(key) for key in keys]
    values = [*itertools.chain.from_iterable(FEATURES.values()), *SEGMENTS]
    names += [WORDS["zh"].feature_values[value] for value in values]
    assert all(HAN.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)
    assert set(_CATEGORY_ASPECTS) == set(CATEGORIES)
    assert {aspect for aspects in _CATEGORY_ASPECTS.values() for aspect in aspects} == set(_ASPECTS)


def test_items_customers_and_events_are_those_of_the_english_shop(shops):
    english, chinese = (rows(shops[language], "interactions") for language in ("en", "zh"))
    names = ("user_id", "item_id", "timestamp")
    assert [[row[name] for name in names] for row in chinese] == [[row[name] for name in names] for row in english]
    assert {row["action"] for row in chinese} == {"购买", "浏览"}
    for mine, other in zip(rows(shops["zh"], "items"), rows(shops["en"], "items"), strict=True):
        assert (mine["item_id"], mine["price"]) == (other["item_id"], other["price"])
        assert mine["title"].startswith(mine["brand"])
        assert mine["title"].endswith(mine["categories"][-1])
        assert HAN.fullmatch(mine["title"])
    assert list(rows(shops["zh"], "users")[0]) == ["user_id", "城市", "爱好", "年龄段", "会员"]


def test_the_best_reachable_figures_are_those_of_the_english_shop(tmp_path):
    oracles = [write_demo_shop(tmp_path / code, seed=3, num_users=10, language=code) for code in ("en", "zh")]
    languages = [oracle["shop"].pop("language") for oracle in oracles]
    assert languages == ["en", "zh"]
    assert oracles[0] == oracles[1]


def test_only_purchases_are_rated_and_favourites_get_more_stars(shops):
    shop = build_shop(seed=3, num_users=60)
    tastes = {customer.user_id: (customer.favourite_brand, customer.favourite_series) for customer in shop.customers}
    items = {item.item_id: item for item in shop.shelves.items}
    stars: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for row in rows(shops["zh"], "interactions"):
        assert (row["rating"] is None) == (row["action"] == "浏览")
        assert (row["review_text"] is None) == (row["summary"] is None)
        if row["rating"] is not None:
            brand, series = tastes[row["user_id"]]
            item = items[row["item_id"]]
            stars[(item.brand == brand) + (item.series == series)].append(row["rating"])
    # 3 stars and one for each favourite, less .3 + 2 * .2 on average
    for favourites, given in stars.items():
        assert sum(given) / len(given) == pytest.approx(3 + favourites - 0.7, abs=0.15)


def test_reviews_are_explained_by_what_they_judge(shops):
    reviews = [row["review_text"] for row in rows(shops["zh"], "interactions") if row["review_text"]]
    features = FeatureWords(reviews, language="zh")
    assert set(features.votes) == set(_ASPECTS)
    explained = [features.explain(review) for review in reviews]
    assert all(each is not None and each.feature in each.sentence for each in explained)


def test_the_same_seed_gives_the_same_tables_and_a_shop_of_another_language_is_refused(shops, tmp_path):
    write_demo_shop(tmp_path / "again", seed=3, num_users=60, language="zh")
    for name in ("interactions", "items", "users"):
        assert (tmp_path / "again" / f"{name}.parquet").read_bytes() == (shops["zh"] / f"{name}.parquet").read_bytes()
    with pytest.raises(DataError, match="holds another demo shop"):
        write_demo_shop(shops["zh"], seed=3, num_users=60)


def test_a_shop_from_before_there_were_languages_is_english(shops, tmp_path):
    write_demo_shop(tmp_path, seed=3, num_users=2)
    oracle = tmp_path / "oracle.json"
    text = oracle.read_text(encoding="utf-8")
    assert text.count(',\n  "language": "en"') == 1
    oracle.write_text(text.replace(',\n  "language": "en"', ""), encoding="utf-8")
    write_demo_shop(tmp_path, seed=3, num_users=2)
    with pytest.raises(DataError, match="holds another demo shop"):
        write_demo_shop(tmp_path, seed=3, num_users=2, language="zh")


def test_a_visitor_of_the_chinese_shop_asks_in_chinese(shops, tmp_path):
    tables = {name: {"path": str(shops["zh"] / f"{name}.parquet")} for name in ("interactions", "items", "users")}
    payload = visitor_payload(build_config({"name": "demo", "input": tables}))
    assert list(payload["user_features"]) == ["城市", "爱好", "年龄段", "会员"]
    assert all(HAN.fullmatch(value) for value in payload["user_features"].values())
    assert all(HAN.fullmatch(event["item"]) or event["item"].startswith("I") for event in payload["history"])
