"""Yelp's academic data set: reviews and businesses as JSON lines."""

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, column, find_parts
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import split_labels, to_plain

REVIEWS = Part(
    marks=frozenset(("review_id", "user_id", "business_id", "stars", "date")),
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("business_id"),
            "timestamp": column("date"),
            "rating": column("stars"),
            "review_text": column("text"),
        }
    ),
)
BUSINESSES = Part(
    marks=frozenset(("business_id", "name", "city", "categories")),
    layout=Layout(
        columns={
            "item_id": column("business_id"),
            "title": column("name", read=to_plain),
            "brand": column("city", read=to_plain),
            "categories": column("categories", read=split_labels(", ")),
        }
    ),
)


def find_yelp(folder: SourceFolder) -> Source | None:
    """Return the source if a file has Yelp's reviews.

    Raises:
        DataError: several files have reviews, or several have businesses.
    """
    return find_parts(folder, REVIEWS, BUSINESSES)


FORMAT = Format(
    name="yelp",
    title="Yelp academic data set",
    marks="a .json file of lines with review_id, user_id, business_id, stars, date",
    reads="reviews with their texts; name, categories and city (as brand) of the businesses",
    leaves_out="users and the counts of the businesses, which cover the whole time; tips, check-ins, photos",
    find=find_yelp,
)
