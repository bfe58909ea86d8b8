"""Steam's reviews and games (Kang and McAuley), one Python literal a line."""

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, column, find_parts
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import to_labels, to_plain, to_price

REVIEWS = Part(
    marks=frozenset(("username", "product_id", "date")),
    layout=Layout(
        columns={
            "user_id": column("username"),
            "item_id": column("product_id"),
            "timestamp": column("date"),
            "review_text": column("text"),
        }
    ),
)
GAMES = Part(
    marks=frozenset(("id", "app_name")),
    layout=Layout(
        columns={
            "item_id": column("id"),
            "title": column("title", "app_name", read=to_plain),
            "brand": column("developer", "publisher", read=to_plain),
            "categories": column("genres", read=to_labels),
            "price": column("price", read=to_price),
        }
    ),
)


def find_steam(folder: SourceFolder) -> Source | None:
    """Return the source if a file has Steam's reviews.

    Raises:
        DataError: several files have reviews, or several have games.
    """
    return find_parts(folder, REVIEWS, GAMES)


FORMAT = Format(
    name="steam",
    title="Steam (McAuley, version 2)",
    marks="a .json or .json.gz file of lines with username, product_id, date",
    reads="reviews with their texts; title (else app_name), developer, genres and price of the games",
    leaves_out="games without a review; hours, tags, sentiment and scores, which cover the whole time",
    find=find_steam,
)
