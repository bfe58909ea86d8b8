"""Look up served items: by id, and by a text that resembles their title."""

from recsys_platform.serve.catalog_schemas import ItemDetails, ItemMatch, ItemMatches
from recsys_platform.serve.served_catalog import ServedCatalog


def item_details(served: ServedCatalog, item_id: str) -> ItemDetails | None:
    """Return an item, also a removed one; None if the id is unknown."""
    index = served.catalog.references.index_of(item_id)
    if index is None:
        return None
    item = served.catalog.items[index]
    return ItemDetails(
        id=item.item_id,
        title=item.title,
        text=item.text,
        is_present=served.catalog.has(index),
        columns=served.generator.columns.values(index),
    )


def matching_items(served: ServedCatalog, title: str, limit: int) -> ItemMatches:
    """Return up to `limit` present items: those that the text names exactly, then similar ones."""
    catalog = served.catalog
    found = [index for index in catalog.references.search(title, limit) if catalog.has(index)]
    items = [catalog.items[index] for index in found[:limit]]
    return ItemMatches(items=[ItemMatch(id=item.item_id, title=item.title, text=item.text) for item in items])
