"""Write the demo shop: three tables as a user would bring them, and what the generator knows about them.

The Chinese shop also has ratings, reviews and headlines, so that every task family can be asked.
"""

import json
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.config.text import LanguageCode
from recsys_model.errors import ConfigError, DataError
from recsys_platform.demo.behaviour import Shelves
from recsys_platform.demo.customers import build_customers
from recsys_platform.demo.events import build_events
from recsys_platform.demo.oracle import (
    Shop,
    best_probabilities,
    expected_metrics,
    long_term_probabilities,
    observable_probabilities,
    ranking_metrics,
    short_term_probabilities,
)
from recsys_platform.demo.reviews import build_reviews
from recsys_platform.demo.titles import build_items, series_of
from recsys_platform.demo.words import WORDS, ShopWords

logger = logging.getLogger(__name__)

VERSION = 2
"""Changes whenever the same seed gives another shop."""
ORACLE_NAME = "oracle.json"
KNOWLEDGE = (
    "best_reachable ranks by the generator's own probabilities of the customer's last event, given the customer's true "
    "long-term taste, the true project and step, and all earlier items, but not the time of the event; the expected "
    "value over what may happen is given. observable sees only features and history and infers the rest by Bayes' rule."
)


def build_shop(seed: int = 7, num_users: int = 1000, num_items: int = 300) -> Shop:
    """Draw the items, the customers and their events; the same arguments give the same shop.

    Raises:
        ConfigError: `num_users` or `num_items` is out of range.
    """
    if num_users < 1:
        raise ConfigError(f"num_users of the demo shop must be at least 1, got {num_users}")
    items = build_items(random.Random(f"items {seed}"), num_items)
    series = series_of(items)
    shelves = Shelves(items, series)
    customers = build_customers(random.Random(f"customers {seed}"), num_users, series)
    rng = random.Random(f"events {seed}")
    return Shop(shelves, customers, [build_events(rng, customer, shelves) for customer in customers])


def write_demo_shop(
    folder: Path, seed: int = 7, num_users: int = 1000, num_items: int = 300, language: LanguageCode = "en"
) -> dict[str, Any]:
    """Write `interactions.parquet`, `items.parquet`, `users.parquet` and `oracle.json`; return what `oracle.json` holds.

    A folder that already holds this very shop is left as it is. `language` decides the words of the tables alone.

    Raises:
        ConfigError: `num_users` or `num_items` is out of range.
        DataError: `folder` holds anything else.
    """
    wanted = {"version": VERSION, "seed": seed, "num_users": num_users, "num_items": num_items, "language": language}
    if folder.exists() and any(folder.iterdir()):
        return _read_same_shop(folder, wanted)
    shop = build_shop(seed, num_users, num_items)
    folder.mkdir(parents=True, exist_ok=True)
    words = WORDS[language]
    tables = {"interactions": _interactions(shop, words), "items": _items(shop, words), "users": _users(shop, words)}
    if language == "zh":
        tables["interactions"] = _with_reviews(tables["interactions"], shop, random.Random(f"reviews {seed}"))
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    counts = {name: table.num_rows for name, table in tables.items()}
    oracle = {"shop": wanted, "counts": counts, "knowledge": KNOWLEDGE, **reference_metrics(shop)}
    (folder / ORACLE_NAME).write_text(json.dumps(oracle, indent=1) + "\n", encoding="utf-8")
    logger.info("demo shop with %s in %s", counts, folder)
    return oracle


def reference_metrics(shop: Shop) -> dict[str, dict[str, float]]:
    """Return hit rates and NDCG of the customers' last events for the predictors of `oracle`."""
    target_U = np.array([events[-1].item for events in shop.histories])
    best_UI = _probabilities(best_probabilities, shop)
    return {
        "best_reachable": expected_metrics(best_UI),
        "best_realised": ranking_metrics(best_UI, target_U),
        "observable": ranking_metrics(_probabilities(observable_probabilities, shop), target_U),
        "short_term_only": ranking_metrics(_probabilities(short_term_probabilities, shop), target_U),
        "long_term_only": ranking_metrics(_probabilities(long_term_probabilities, shop), target_U),
    }


def _probabilities(predictor: Callable[[Shop, int], np.ndarray], shop: Shop) -> np.ndarray:
    return np.stack([predictor(shop, user) for user in range(len(shop.customers))])


def _read_same_shop(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = (ORACLE_NAME, "interactions.parquet", "items.parquet", "users.parquet")
    advice = "name an empty folder, or remove this one"
    if not all((folder / name).is_file() for name in names):
        raise DataError(f"{folder} is not empty and holds no demo shop; {advice}")
    try:
        oracle = json.loads((folder / ORACLE_NAME).read_text(encoding="utf-8"))
        # shops from before there were languages are English
        written = {"language": "en", **oracle["shop"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / ORACLE_NAME} is not a demo shop's: {error}; {advice}") from error
    if written != wanted:
        raise DataError(f"{folder} holds another demo shop ({written}) than the one asked for ({wanted}); {advice}")
    return oracle


def _interactions(shop: Shop, words: ShopWords) -> pa.Table:
    rows = [
        (customer.user_id, shop.shelves.items[event.item].item_id, event.timestamp, words.name(event.action))
        for customer, events in zip(shop.customers, shop.histories, strict=True)
        for event in events
    ]
    rows.sort(key=lambda row: (row[2], row[0]))
    names = ("user_id", "item_id", "timestamp", "action")
    return pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def _with_reviews(interactions: pa.Table, shop: Shop, rng: random.Random) -> pa.Table:
    """Return the interactions with ratings, reviews and headlines, empty at clicks."""
    items = shop.shelves.items
    key_to_review = {
        (customer.user_id, event.timestamp): review
        for customer, events in zip(shop.customers, shop.histories, strict=True)
        for event, review in zip(events, build_reviews(rng, customer, events, items), strict=True)
    }
    keys = zip(interactions["user_id"].to_pylist(), interactions["timestamp"].to_pylist(), strict=True)
    reviews = [key_to_review[key] for key in keys]
    columns = {
        "rating": pa.array([review.rating for review in reviews], pa.float64()),
        "review_text": pa.array([review.text for review in reviews], pa.string()),
        "summary": pa.array([review.headline for review in reviews], pa.string()),
    }
    for name, column in columns.items():
        interactions = interactions.append_column(name, column)
    return interactions


def _items(shop: Shop, words: ShopWords) -> pa.Table:
    items = shop.shelves.items
    return pa.table(
        {
            "item_id": [item.item_id for item in items],
            "title": [words.title_of(item) for item in items],
            "brand": [words.name(item.brand) for item in items],
            "categories": [[words.name(item.department), words.name(item.category)] for item in items],
            "price": [item.price for item in items],
        }
    )


def _users(shop: Shop, words: ShopWords) -> pa.Table:
    features = [words.features_of(customer.features) for customer in shop.customers]
    columns = {name: [known[name] for known in features] for name in features[0]}
    return pa.table({"user_id": [customer.user_id for customer in shop.customers], **columns})
