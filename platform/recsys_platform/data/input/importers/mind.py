"""MIND, Microsoft's news: impressions of `behaviors.tsv`, of which only the clicked ones count, and `news.tsv`.

The clicks of `history` are no rows, because they have no times: most of them are clicked impressions of earlier lines.
"""

from collections.abc import Iterator

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, Part, Record, Rows, column, find_parts
from recsys_platform.data.input.importers.lines import Dialect
from recsys_platform.data.input.importers.source import LeftOut, Source
from recsys_platform.data.input.importers.values import seconds_of, to_labels, to_plain

NOTATIONS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S %p")
BEHAVIORS = ("impression_id", "user_id", "time", "history", "impressions")
NEWS = ("item_id", "category", "subcategory", "title", "abstract", "url", "title_entities", "abstract_entities")
NOT_CLICKED = LeftOut("impressions that were not clicked")
UNLABELLED = LeftOut("impressions of a test set, which says of none whether it was clicked,")


def _clicks(record: Record) -> Iterator[Record | LeftOut]:
    for impression in (record["impressions"] or "").split():
        item, separator, label = impression.rpartition("-")
        if not separator:
            yield UNLABELLED
        elif label == "1":
            yield {**record, "item_id": item}
        else:
            yield NOT_CLICKED


def _with_path(record: Record) -> Rows:
    return ({**record, "categories": [record["category"], record["subcategory"]]},)


IMPRESSIONS_PART = Part(
    pattern="*behaviors*.tsv",
    takes_many=True,
    layout=Layout(
        dialect=Dialect(delimiter="\t", names=BEHAVIORS, has_header=False, has_quotes=False),
        columns={
            "user_id": column("user_id"),
            "item_id": column("item_id"),
            "timestamp": column("time", read=seconds_of(*NOTATIONS)),
        },
        rows=_clicks,
        added=frozenset(("item_id",)),
    ),
)
NEWS_PART = Part(
    pattern="*news*.tsv",
    layout=Layout(
        dialect=Dialect(delimiter="\t", names=NEWS, has_header=False, has_quotes=False),
        columns={
            "item_id": column("item_id"),
            "title": column("title", read=to_plain),
            "categories": column("categories", read=to_labels),
            "description": column("abstract", read=to_plain),
        },
        rows=_with_path,
        added=frozenset(("categories",)),
    ),
)


def find_mind(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has `behaviors.tsv` and `news.tsv`.

    Raises:
        DataError: several files have news.
    """
    if not NEWS_PART.find(folder):
        return None
    return find_parts(folder, IMPRESSIONS_PART, NEWS_PART, keeps_unused_items=True)


FORMAT = Format(
    name="mind",
    title="MIND (Microsoft News)",
    marks="behaviors.tsv and news.tsv",
    reads="clicked impressions with their times; title, category, subcategory and abstract of the news",
    leaves_out="impressions that were not clicked; `history`, whose clicks have no times; entities",
    find=find_mind,
)
