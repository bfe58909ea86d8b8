"""One line of the Amazon reviews and metadata of McAuley's group, 2014 and 2018.

2014's reviews are JSON, its metadata are Python literals; 2018's both are JSON. The fields differ too:
2014 has nested lists of categories and `helpful: [votes, of]`, 2018 one list, `vote: "1,234"` and texts such
as "$12.99" or a page's source where a title should be.
"""

import json
import re
from typing import Any

from recsys_platform.data.input.importers.source import Row
from recsys_platform.data.input.importers.values import to_plain, to_price, to_text

REVIEW_COLUMNS = (
    "user_id",
    "item_id",
    "timestamp",
    "rating",
    "review_text",
    "summary",
    "helpful_votes",
    "style",
)
ITEM_COLUMNS = ("item_id", "title", "brand", "categories", "price", "description")
PAGE_SOURCE = re.compile(r"getTime\(|var aPageStart|<span ")
"""Text in place of a title if the crawl of 2018 failed."""


def is_review(record: dict[str, Any]) -> bool:
    """Whether a record is a review."""
    return {"reviewerID", "asin"} <= set(record)


def is_metadata(record: dict[str, Any]) -> bool:
    """Whether a record describes an item."""
    return "asin" in record and "reviewerID" not in record


def to_interaction(record: dict[str, Any]) -> Row:
    """Return a review under our names."""
    return {
        "user_id": to_text(record.get("reviewerID")),
        "item_id": to_text(record.get("asin")),
        "timestamp": to_text(record.get("unixReviewTime")),
        "rating": to_text(record.get("overall")),
        "review_text": to_text(record.get("reviewText")),
        "summary": to_text(record.get("summary")),
        "helpful_votes": _votes(record),
        "style": json.dumps(record["style"], ensure_ascii=False) if record.get("style") else None,
    }


def to_item(record: dict[str, Any]) -> Row:
    """Return an item under our names; HTML entities are decoded."""
    title = to_plain(record.get("title"))
    return {
        "item_id": to_text(record.get("asin")),
        "title": None if title is None or PAGE_SOURCE.search(title) else title,
        "brand": to_plain(record.get("brand")),
        "categories": to_categories(record.get("categories", record.get("category"))),
        "price": to_price(record.get("price")),
        "description": to_plain(record.get("description")),
    }


def to_categories(value: Any) -> list[str]:
    """Return one path of categories, coarse to fine: the longest of a list of paths, the first among equals.

    Example:
        >>> to_categories([["Beauty"], ["Beauty", "Hair &amp; Skin"]]), to_categories(["Gift Cards", "All"])
        (['Beauty', 'Hair & Skin'], ['Gift Cards', 'All'])
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return []
    paths = [part for part in value if isinstance(part, list)]
    names = max(paths, key=len) if paths else value
    return [name for name in map(to_plain, names) if name]


def _votes(record: dict[str, Any]) -> str | None:
    """Return the number of helpful votes."""
    helpful = record.get("helpful")
    if isinstance(helpful, list) and helpful:
        return to_text(helpful[0])
    vote = to_text(record.get("vote"))
    return vote.replace(",", "") if vote else None
