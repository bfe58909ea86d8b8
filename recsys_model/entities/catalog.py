"""The catalogue: items and attribute values with their unique texts and token ids.

A catalogue index is the position of an item in `Catalog.items`; the model side identifies items by it.
On disk: `catalog.jsonl` (one item a line, in index order) and `attributes.jsonl`, UTF-8.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

from recsys_model.entities.pool import EntityPool
from recsys_model.entities.references import ReferenceIndex
from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.entities.unique_texts import make_unique_texts as make_unique_texts
from recsys_model.errors import DataError

CATALOG_NAME = "catalog.jsonl"
ATTRIBUTES_NAME = "attributes.jsonl"


class EntityEncoder(Protocol):
    """The part of a tokenizer that this package uses."""

    def encode_entity(self, text: str) -> list[int]:
        """Return the token ids of `text`, at least one."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """One item."""

    item_id: str
    """The shop's name of the item."""
    title: str
    """The title as given; may be empty or shared with another item."""
    text: str
    """The unique entity text."""
    token_ids: tuple[int, ...]
    """Tokens of `text` with one leading blank; at least one."""
    field_token_ids: tuple[int, ...] = field(default=(), compare=False)
    """Tokens of the texts that make its vector in an entity head, word by word; empty without such a head. They are not
    compared: items that differ in them alone are equal."""


@dataclass(frozen=True)
class Catalog:
    """Every entity of the recommendation task."""

    items: list[CatalogItem]
    """By catalogue index."""
    attributes: dict[str, tuple[int, ...]]
    """Text of an attribute value -> its token ids."""

    @cached_property
    def item_id_to_index(self) -> dict[str, int]:
        """Item id -> catalogue index."""
        return {item.item_id: index for index, item in enumerate(self.items)}

    @cached_property
    def _references(self) -> ReferenceIndex:
        return ReferenceIndex(
            [item.item_id for item in self.items],
            [item.title for item in self.items],
            [item.text for item in self.items],
        )

    def find(self, reference: str) -> int:
        """Return the catalogue index of an item id, of a title that only one item has, or of a unique text.

        Raises:
            DataError: nothing fits, or several items have this title; the message names what would fit.
        """
        return self._references.find(reference)

    def pool(self) -> EntityPool:
        """Return a new entity pool of all items and attribute values."""
        pool = EntityPool()
        for item in self.items:
            pool.add(item.token_ids)
        for token_ids in self.attributes.values():
            pool.add(token_ids)
        return pool

    def write(self, folder: Path) -> None:
        """Write `catalog.jsonl` and `attributes.jsonl` into `folder`, which must exist."""
        attributes = ({"text": text, "token_ids": token_ids} for text, token_ids in self.attributes.items())
        _write_lines(folder / CATALOG_NAME, map(_row_of, self.items))
        _write_lines(folder / ATTRIBUTES_NAME, attributes)


def build_catalog(
    item_ids: Sequence[str],
    titles: Sequence[str],
    texts: Sequence[str],
    attribute_values: Iterable[str],
    tokenizer: EntityEncoder,
    field_texts: Sequence[Sequence[str]] | None = None,
) -> Catalog:
    """Tokenise the unique texts of `make_unique_texts` and the attribute values, each of which is kept once.

    `field_texts` are the texts of each item that make its vector in an entity head; None without a head.

    Raises:
        DataError: the item columns differ in length, an item id occurs twice, two items have the same tokens,
            or a text has none.
    """
    if not len(item_ids) == len(titles) == len(texts):
        raise DataError(
            f"item ids, titles and texts must be equally many, got {len(item_ids)}, {len(titles)}, {len(texts)}"
        )
    encode = lru_cache(maxsize=65536)(lambda word: tuple(tokenizer.encode_entity(word)))
    fields = [encode_words(each, encode) for each in field_texts or [()] * len(texts)]
    items = [
        CatalogItem(item_id, title, text, tuple(tokenizer.encode_entity(text)), field_token_ids)
        for item_id, title, text, field_token_ids in zip(item_ids, titles, texts, fields, strict=True)
    ]
    _check_items(items)
    values = sorted({fold_whitespace(value) for value in attribute_values} - {""})
    return Catalog(items=items, attributes={value: tuple(tokenizer.encode_entity(value)) for value in values})


def texts_of_fields(
    fields: Sequence[str], title: str, brand: str | None, categories: Sequence[str], description: str | None = None
) -> tuple[str, ...]:
    """Return the texts of an item that make its vector in an entity head (`entity.fields`); unknown ones are left out.

    Example:
        >>> texts_of_fields(["title", "categories"], "Red Tent", "Ada", ["Garden", "Tents"])
        ('Red Tent', 'Garden', 'Tents')
    """
    field_to_texts = {
        "title": (title,),
        "brand": (brand,),
        "categories": tuple(categories),
        "description": (description,),
    }
    return tuple(text for name in fields for text in field_to_texts[name] if text)


def encode_words(texts: Iterable[str], encode: Callable[[str], Sequence[int]]) -> tuple[int, ...]:
    """Return the tokens of all words of some texts, each word by itself, so that items share the tokens of shared words.

    A tokenizer whose tokens span words would otherwise give most items tokens of their own.

    Example:
        >>> encode_words(["Red Tent", " Tent"], lambda word: [len(word)])
        (3, 4, 4)
    """
    return tuple(token for text in texts for word in text.split() for token in encode(word))


def load_catalog(folder: Path) -> Catalog:
    """Read what `Catalog.write` wrote.

    Raises:
        DataError: a file is missing or a line is not what was written.
    """
    items: list[CatalogItem] = []
    for where, row in _read_lines(folder / CATALOG_NAME):
        _check_row(where, row, {"item_id": str, "title": str, "text": str, "token_ids": list})
        fields = row.get("field_token_ids", [])
        if not isinstance(fields, list) or not all(isinstance(token, int) for token in fields):
            raise DataError(
                f"{where} must have a list of token ids 'field_token_ids', or none; write the catalogue again"
            )
        fields = tuple(fields)
        items.append(CatalogItem(row["item_id"], row["title"], row["text"], tuple(row["token_ids"]), fields))
    _check_items(items)
    attributes: dict[str, tuple[int, ...]] = {}
    for where, row in _read_lines(folder / ATTRIBUTES_NAME):
        _check_row(where, row, {"text": str, "token_ids": list})
        attributes[row["text"]] = tuple(row["token_ids"])
    return Catalog(items=items, attributes=attributes)


def _row_of(item: CatalogItem) -> dict[str, Any]:
    row = asdict(item)
    if not item.field_token_ids:
        del row["field_token_ids"]
    return row


def _check_items(items: Sequence[CatalogItem]) -> None:
    """Raise unless every item has unique ids and unique tokens."""
    item_ids: set[str] = set()
    tokens_to_item: dict[tuple[int, ...], CatalogItem] = {}
    for item in items:
        if item.item_id in item_ids:
            raise DataError(f"item ids must be unique, got {item.item_id!r} twice; remove one of the two rows")
        if not item.token_ids:
            raise DataError(f"item {item.item_id!r} has no tokens for its text {item.text!r}; give it a text")
        other = tokens_to_item.setdefault(item.token_ids, item)
        if other is not item:
            raise DataError(
                f"items {other.item_id!r} and {item.item_id!r} have the same tokens "
                f"(texts {other.text!r} and {item.text!r}); make their texts unique first"
            )
        item_ids.add(item.item_id)


def _check_row(where: str, row: Any, field_to_type: dict[str, type]) -> None:
    for name, kind in field_to_type.items():
        if not isinstance(row, dict) or not isinstance(row.get(name), kind):
            raise DataError(f"{where} must have a {kind.__name__} {name!r}; write the catalogue again")


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the location of each line, for messages, and its content."""
    if not path.is_file():
        raise DataError(f"{path} is missing; the folder holds no catalogue")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                yield where, json.loads(line)
            except ValueError as error:
                raise DataError(f"{where} is not JSON: {error}; write the catalogue again") from error
