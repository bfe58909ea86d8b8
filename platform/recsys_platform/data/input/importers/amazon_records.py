"""One line of the Amazon reviews and metadata of McAuley's group, 2014 and 2018.

2014's reviews are JSON, its metadata are Python literals; 2018's both are JSON. The fields differ too:
2014 has nested lists of categories and `helpful: [votes, of]`, 2018 one list, `vote: "1,234"` and texts such
as "$12.99" or a page's source where a title should be.
"""

import ast
import html
import json
import re
from typing import Any

from recsys_platform.data.input.importers.source import Row

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
PRICE = re.compile(r"\$?\s*([0-9][0-9,]*(?:\.[0-9]+)?)")


def parse_record(line: str) -> dict[str, Any] | None:
    """Return the object that a line holds as JSON or as a Python literal, None where it is neither.

    Example:
        >>> parse_record("{'asin': 'B1', 'price': 3.5}"), parse_record("{oops")
        ({'asin': 'B1', 'price': 3.5}, None)
    """
    record: Any = None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        try:
            record = ast.literal_eval(line.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return record if isinstance(record, dict) else None


def is_review(record: dict[str, Any]) -> bool:
    """Whether a record is a review."""
    return {"reviewerID", "asin"} <= set(record)


def is_metadata(record: dict[str, Any]) -> bool:
    """Whether a record describes an item."""
    return "asin" in record and "reviewerID" not in record


def to_interaction(record: dict[str, Any]) -> Row:
    """Return a review under our names."""
    return {
        "user_id": _text(record.get("reviewerID")),
        "item_id": _text(record.get("asin")),
        "timestamp": _text(record.get("unixReviewTime")),
        "rating": _text(record.get("overall")),
        "review_text": _text(record.get("reviewText")),
        "summary": _text(record.get("summary")),
        "helpful_votes": _votes(record),
        "style": json.dumps(record["style"], ensure_ascii=False) if record.get("style") else None,
    }


def to_item(record: dict[str, Any]) -> Row:
    """Return an item under our names; HTML entities are decoded."""
    title = _plain(record.get("title"))
    return {
        "item_id": _text(record.get("asin")),
        "title": None if title is None or PAGE_SOURCE.search(title) else title,
        "brand": _plain(record.get("brand")),
        "categories": to_categories(record.get("categories", record.get("category"))),
        "price": to_price(record.get("price")),
        "description": _plain(record.get("description")),
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
    return [name for name in map(_plain, names) if name]


def to_price(value: Any) -> str | None:
    """Return an amount in dollars; None for a range or another text.

    Example:
        >>> to_price("$1,012.99"), to_price(9.5), to_price("$1.00 - $2.00")
        ('1012.99', '9.5', None)
    """
    match = PRICE.fullmatch(str(value).strip()) if isinstance(value, (str, int, float)) else None
    return match[1].replace(",", "") if match else None


def _votes(record: dict[str, Any]) -> str | None:
    """Return the number of helpful votes."""
    helpful = record.get("helpful")
    if isinstance(helpful, list) and helpful:
        return _text(helpful[0])
    vote = _text(record.get("vote"))
    return vote.replace(",", "") if vote else None


def _plain(value: Any) -> str | None:
    """Return text without HTML entities and runs of white space; parts of a list are joined."""
    joined = " ".join(map(str, value)) if isinstance(value, list) else value
    text = _text(joined)
    return None if text is None else " ".join(html.unescape(text).split()) or None


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
