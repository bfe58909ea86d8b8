"""The columns of the items table that rules of a request may name (`input.item_columns`), kept with the dataset."""

import logging
from collections.abc import Sequence

from recsys_model.entities.column_cells import LARGEST_WHOLE
from recsys_model.entities.item_columns import ItemColumns, build_columns
from recsys_platform.data.input.contract import Items
from recsys_platform.values.numbers import canonical_number

logger = logging.getLogger(__name__)

Values = Sequence[str]
PRICE = "price"


def build_item_columns(items: Items) -> ItemColumns:
    """Return brand, categories, price and the further columns of the items; one in which no item has a value is left out.

    A column holds numbers if each value is one, else texts. Of prices, the numbers count alone: a text such as `$1 - $2`
    is no price that a range could compare. Both are logged where they may surprise.

    Example:
        >>> items = Items(item_ids=["a", "b"], brands=["Cairn", None], categories=[(), ("Tents",)], prices=["5", "on sale"],
        ...               columns={"rank": [("1",), ("20",)]})
        >>> build_item_columns(items).kinds
        {'brand': 'text', 'categories': 'text', 'price': 'number', 'rank': 'number'}
    """
    rows: dict[str, Sequence[Values]] = {
        "brand": [_listed(brand) for brand in items.brands],
        "categories": items.categories,
        PRICE: [_listed(price) for price in items.prices],
        **items.columns,
    }
    given = {name: values for name, values in rows.items() if any(values)}
    return build_columns({name: _cells(name, values) for name, values in given.items()}, len(items.item_ids))


def _cells(name: str, rows: Sequence[Values]) -> Sequence[object]:
    texts = [value for row in rows for value in row]
    no_numbers = [text for text in texts if not _is_number(text)]
    has_several = any(len(row) > 1 for row in rows)
    is_price = name == PRICE and not has_several and len(no_numbers) < len(texts)
    if not has_several and (is_price or not no_numbers):
        if no_numbers:
            logger.warning(
                "items: %d of %d prices are no numbers, such as %r; to rules, these items have no price",
                len(no_numbers),
                len(texts),
                no_numbers[0],
            )
        return [float(row[0]) if row and _is_number(row[0]) else None for row in rows]
    if 2 * len(no_numbers) < len(texts):
        reason = f"not all are numbers, such as {no_numbers[0]!r}" if no_numbers else "an item has several"
        logger.warning("items: rules compare the values of column %s as texts, since %s", name, reason)
    return [list(row) for row in rows]


def _is_number(text: str) -> bool:
    return canonical_number(text) is not None and abs(float(text)) <= LARGEST_WHOLE


def _listed(text: str | None) -> Values:
    return () if text is None else (text,)
