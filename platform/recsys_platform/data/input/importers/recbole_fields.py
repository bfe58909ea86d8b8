"""Names of fields in RecBole's atomic files, as its conversion tools write them, and values of their types."""

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from recsys_platform.data.input.importers.layout import Column
from recsys_platform.data.input.importers.source import Value
from recsys_platform.data.input.importers.values import to_text

USER = ("user_id", "uid", "user", "session_id", "visitor_id", "customer_id", "anonymous_user_id", "student_id")
ITEM = (
    "item_id",
    "iid",
    "item",
    "product_id",
    "business_id",
    "venue_id",
    "tracks_id",
    "albums_id",
    "artists_id",
    "track_id",
    "album_id",
    "artist_id",
    "video_id",
    "movie_id",
    "book_id",
    "news_id",
    "problem_step_name",
)
INTERACTION_FIELDS = {
    "user_id": USER,
    "item_id": ITEM,
    "timestamp": ("timestamp", "time", "date", "datetime", "transaction_date", "step_start_time"),
    "rating": ("rating", "stars"),
    "action": ("action", "event", "event_type"),
    "review_text": ("review_text", "review"),
    "summary": ("summary",),
}
ITEM_FIELDS = {
    "item_id": (*ITEM, "id"),
    "title": (
        "title",
        "movie_title",
        "movie_name",
        "book_title",
        "track_name",
        "item_name",
        "product_name",
        "app_name",
        "venue_name",
        "name",
    ),
    "brand": ("brand", "store", "book_author", "author", "developer", "publisher"),
    "categories": (
        "categories",
        "category",
        "genres",
        "genre",
        "class",
        "type",
        "item_category",
        "category_name",
        "venue_category_name",
        "cate_id",
        "category_id",
    ),
    "price": ("price",),
    "description": ("description", "abstract"),
}
USER_FIELDS = {"user_id": USER}


def choose_columns(
    ours_to_names: Mapping[str, Iterable[str]], header: Mapping[str, str], readers: Mapping[str, Callable[[Any], Value]]
) -> dict[str, Column]:
    """Return the columns whose fields are in a header (field -> type); the first of several names with a value counts."""
    fields = {ours: tuple(name for name in names if name in header) for ours, names in ours_to_names.items()}
    return {
        ours: Column(fields=names, read=readers.get(ours) or (split_categories if ours == "categories" else to_text))
        for ours, names in fields.items()
        if names
    }


def split_categories(text: str | None) -> list[str]:
    """Return the values of a `token_seq`: quoted ones, else those between commas, else words.

    Example:
        >>> split_categories("'Beauty', 'Hair Care'"), split_categories("[Action, Free to Play]")
        (['Beauty', 'Hair Care'], ['Action', 'Free to Play'])
        >>> split_categories("Animation Children's")
        ['Animation', "Children's"]
    """
    stripped = (text or "").strip().removeprefix("[").removesuffix("]")
    if stripped.startswith(("'", '"')):
        try:
            return [str(value) for value in ast.literal_eval(f"[{stripped}]")]
        except (ValueError, SyntaxError):
            return stripped.split()
    return [part.strip() for part in stripped.split(",") if part.strip()] if "," in stripped else stripped.split()


def to_single_category(text: str | None) -> list[str]:
    """Return the value of a `token`, which is one category."""
    return [text] if text else []


def unquote(text: str | None) -> str | None:
    """Return a value without the quotes that pandas puts around a text with quotes in it.

    Example:
        >>> unquote('"7"" Pan"'), unquote('"A" and "B"')
        ('7" Pan', '"A" and "B"')
    """
    if text is None or len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    inner = text[1:-1]
    return text if '"' in inner.replace('""', "") else inner.replace('""', '"') or None
