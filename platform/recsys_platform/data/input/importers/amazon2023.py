"""Amazon Reviews 2023: raw reviews and metadata as JSON lines, or the benchmark's files of ratings.

Reviews and metadata meet by `parent_asin`. Times are milliseconds. Metadata describe a whole department; only reviewed
items become the catalogue.
"""

from recsys_platform.data.input.importers.folder import SourceFolder, base_name
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, Rows, column, find_parts, require_one
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import seconds_from, to_labels, to_plain, to_price
from recsys_platform.data.input.json_records import parse_object

SPLITS = ("train", "valid", "test")
REVIEWS = Part(
    marks=frozenset(("parent_asin", "user_id", "timestamp", "rating")),
    layout=Layout(
        columns={
            "user_id": column("user_id"),
            "item_id": column("parent_asin"),
            "timestamp": column("timestamp", read=seconds_from(1000)),
            "rating": column("rating"),
            "review_text": column("text"),
            "summary": column("title"),
        }
    ),
    takes_many=True,
)


def _with_brand(record: Record) -> Rows:
    """Take the brand out of `details`, an object that Parquet files hold as JSON."""
    details = record.get("details")
    details = parse_object(details) if isinstance(details, str) else details
    brand = details.get("Brand") if isinstance(details, dict) else None
    return ({**record, "brand": brand},)


ITEMS = Part(
    marks=frozenset(("parent_asin", "title", "main_category")),
    layout=Layout(
        columns={
            "item_id": column("parent_asin"),
            "title": column("title", read=to_plain),
            "brand": column("brand", "store", read=to_plain),
            "categories": column("categories", "main_category", read=to_labels),
            "price": column("price", read=to_price),
            "description": column("description", read=to_plain),
        },
        rows=_with_brand,
        added=frozenset(("brand",)),
    ),
)


def find_amazon2023(folder: SourceFolder) -> Source | None:
    """Return the source if a file has reviews that name a `parent_asin`.

    Raises:
        DataError: several files have reviews and are not train, valid and test of one data set, or several metadata.
    """
    files = REVIEWS.find(folder)
    splits = {name: split for name in files if (split := _split_of(name)) is not None}
    if len(splits) < len(files):
        require_one(folder, "reviews", files)
    return find_parts(folder, REVIEWS, ITEMS)


def _split_of(name: str) -> str | None:
    parts = base_name(name).split(".")
    return next((split for split in SPLITS if split in parts), None)


FORMAT = Format(
    name="amazon2023",
    title="Amazon Reviews 2023 (McAuley): raw, and the benchmark's CSV files",
    marks="a .jsonl or .csv file (also .gz) with parent_asin, user_id, rating, timestamp",
    reads="reviews with their texts; title, brand (details.Brand, else store), categories, price and description of meta_*.jsonl",
    leaves_out="items without a review; `history` of the *_w_his files, which repeats earlier rows; images, videos, features",
    find=find_amazon2023,
)
