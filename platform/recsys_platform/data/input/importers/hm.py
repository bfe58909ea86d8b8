"""H&M's transactions, articles and customers (Kaggle 2022)."""

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, Rows, column, find_parts
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.values import to_labels, to_plain

LEVELS = ("index_group_name", "product_group_name", "product_type_name")
"""Fields of an article's category, coarse to fine."""
TRANSACTIONS = Part(
    marks=frozenset(("t_dat", "customer_id", "article_id")),
    layout=Layout(
        columns={
            "user_id": column("customer_id"),
            "item_id": column("article_id"),
            "timestamp": column("t_dat"),
        }
    ),
)


def _with_categories(record: Record) -> Rows:
    return ({**record, "categories": [record.get(level) for level in LEVELS]},)


ARTICLES = Part(
    marks=frozenset(("article_id", "prod_name")),
    layout=Layout(
        columns={
            "item_id": column("article_id"),
            "title": column("prod_name", read=to_plain),
            "brand": column("colour_group_name", read=to_plain),
            "categories": column("categories", read=to_labels),
            "description": column("detail_desc", read=to_plain),
        },
        rows=_with_categories,
        added=frozenset(("categories",)),
    ),
)
CUSTOMERS = Part(
    marks=frozenset(("customer_id", "club_member_status")),
    layout=Layout(
        columns={
            "user_id": column("customer_id"),
            "age": column("age"),
            "club_member_status": column("club_member_status"),
            "fashion_news_frequency": column("fashion_news_frequency"),
        }
    ),
)


def find_hm(folder: SourceFolder) -> Source | None:
    """Return the source if a file has H&M's transactions.

    Raises:
        DataError: a table has several files.
    """
    return find_parts(folder, TRANSACTIONS, ARTICLES, CUSTOMERS, keeps_unused_items=True)


FORMAT = Format(
    name="hm",
    title="H&M Personalized Fashion Recommendations",
    marks="a .csv file with t_dat, customer_id, article_id",
    reads="transactions; prod_name, colour (as brand), three levels of category and description; age and club of the customers",
    leaves_out="prices, which are scaled; postal codes, which are hashes; images",
    find=find_hm,
)
