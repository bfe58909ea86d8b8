"""Turn a requested change of a catalogue into a CatalogEdit, or into a list of its problems.

Unique texts and tokens are decided here, once. Replicas of the catalogue only apply the edit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from recsys_model.entities.catalog import CatalogItem, EntityEncoder, encode_words, texts_of_fields
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, Tokens
from recsys_model.entities.unique_texts import is_text_of, make_unique_texts, texts_of_newcomer
from recsys_model.errors import DataError

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewItem:
    """An item as its owner describes it."""

    item_id: str
    """The owner's name of the item."""
    title: str
    """Other items may have the same title."""
    brand: str | None = None
    """Distinguishes items with the same title."""
    categories: tuple[str, ...] = ()
    """Coarse to fine; the last one distinguishes items with the same title."""
    columns: Mapping[str, object] = field(default_factory=dict)
    """Column of the items table -> value, for rules; brand and categories are values of the columns of these names."""


@dataclass(frozen=True, slots=True)
class EditProblem:
    """One problem of an edit."""

    where: Path
    """Path to the value, for example `("add", 0, "id")`."""
    message: str
    """The rule, and a way out."""
    kind: str
    """One word for programs."""


def resolve_edit(
    catalog: LiveCatalog,
    add: Sequence[NewItem],
    remove: Sequence[str],
    encoder: EntityEncoder,
    max_tokens: int,
    fields: Sequence[str] = (),
    columns: ItemColumns | None = None,
) -> CatalogEdit | list[EditProblem]:
    """Return the edit that removes and adds these items, or all its problems.

    The texts of items that stay do not change; a new item with a taken title is distinguished by brand, category or id.
    An item that comes back with the title it had, and no other brand or category, gets its text and index back.
    `max_tokens` is the longest item that the model can generate; `fields` make the vectors of its entity head; `columns`
    are those that rules may name.
    """
    removed = set(remove)
    problems = _removal_problems(catalog, remove)
    problems += _column_problems("add", add, columns)
    problems += _id_problems("add", add, lambda name: name not in removed and catalog.index_of(name) is not None)
    freed = {catalog.index_of(item_id) for item_id in removed}
    added: dict[Tokens, CatalogItem] = {}

    def is_free(tokens: Tokens) -> bool:
        index = catalog.tokens_to_index.get(tokens)
        return tokens not in added and (index is None or index in freed)

    for place, item in enumerate(add):
        new_item = _as_before(catalog, item, is_free) or _first_free(item, encoder, is_free, fields)
        problem = _token_problem(("add", place, "title"), new_item, max_tokens)
        problems += [problem] if problem is not None else []
        if new_item is not None:
            added[new_item.token_ids] = new_item
    if not problems and len(catalog) + len(added) == len(removed):
        problems.append(EditProblem(("remove",), "must leave at least 1 item in the catalogue", "empty_catalog"))
    cells = _cells_of(add, columns)
    return problems or CatalogEdit(removed=tuple(remove), added=tuple(added.values()), cells=cells)


def resolve_swap(
    catalog: LiveCatalog,
    items: Sequence[NewItem],
    encoder: EntityEncoder,
    max_tokens: int,
    fields: Sequence[str] = (),
    columns: ItemColumns | None = None,
) -> CatalogEdit | list[EditProblem]:
    """Return the edit after which exactly these items are present, or all its problems.

    Texts are made unique as for a new data set; the edit leaves out unchanged items, but sets their values in `columns`.
    """
    problems = [*_column_problems("items", items, columns), *_id_problems("items", items, lambda _: False)]
    if not items:
        problems.append(EditProblem(("items",), "must hold at least 1 item", "empty_catalog"))
    if problems:
        return problems
    wanted = _unique_items(items, encoder, fields)
    tokens_to_id: dict[Tokens, str] = {}
    for place, item in enumerate(wanted):
        is_first = tokens_to_id.setdefault(item.token_ids, item.item_id) == item.item_id
        problem = _token_problem(("items", place, "title"), item if is_first else None, max_tokens)
        problems += [problem] if problem is not None else []
    unchanged = {item.item_id for item in wanted if _is_present(catalog, item)}
    removed = (catalog.items[index].item_id for index in catalog.present())
    edit = CatalogEdit(
        removed=tuple(item_id for item_id in removed if item_id not in unchanged),
        added=tuple(item for item in wanted if item.item_id not in unchanged),
        cells=_cells_of(items, columns),
    )
    return problems or edit


def _removal_problems(catalog: LiveCatalog, remove: Sequence[str]) -> list[EditProblem]:
    problems: list[EditProblem] = []
    seen: set[str] = set()
    for place, item_id in enumerate(remove):
        where = ("remove", place)
        if item_id in seen:
            problems.append(EditProblem(where, f"{item_id!r} is listed twice; name it once", "duplicate_id"))
        elif catalog.index_of(item_id) is None:
            was_present = catalog.references.index_of(item_id) is not None
            reason = "was removed before" if was_present else "is not the id of an item"
            problems.append(EditProblem(where, f"{item_id!r} {reason}; leave it out", "unknown_item"))
        seen.add(item_id)
    return problems


def _id_problems(name: str, items: Sequence[NewItem], is_taken: Callable[[str], bool]) -> list[EditProblem]:
    problems: list[EditProblem] = []
    seen: set[str] = set()
    for place, item in enumerate(items):
        if item.item_id in seen:
            message = f"{item.item_id!r} is listed twice; every item needs an id of its own"
            problems.append(EditProblem((name, place, "id"), message, "duplicate_id"))
        elif is_taken(item.item_id):
            message = f"{item.item_id!r} is in the catalogue; to replace it, also list it under remove"
            problems.append(EditProblem((name, place, "id"), message, "duplicate_id"))
        seen.add(item.item_id)
    return problems


def _column_problems(name: str, items: Sequence[NewItem], columns: ItemColumns | None) -> list[EditProblem]:
    problems: list[EditProblem] = []
    for place, item in enumerate(items):
        for column, value in item.columns.items():
            where = (name, place, "columns", column)
            try:
                (ItemColumns({}, 0) if columns is None else columns).check_cell(column, value)
            except DataError as error:
                problems.append(EditProblem(where, str(error), "wrong_column"))
    return problems


def _cells_of(items: Sequence[NewItem], columns: ItemColumns | None) -> tuple[tuple[str, Mapping[str, object]], ...]:
    """Return id and values of each item that has some; the columns brand and categories take those of the item."""
    kinds = {} if columns is None else columns.kinds
    rows = []
    for item in items:
        fields = {"brand": item.brand, "categories": list(item.categories) or None}
        texts = {name: text for name, text in fields.items() if text is not None and kinds.get(name) == "text"}
        rows.append((item.item_id, {**texts, **item.columns}))
    return tuple((item_id, cells) for item_id, cells in rows if cells)


def _as_before(catalog: LiveCatalog, item: NewItem, is_free: Callable[[Tokens], bool]) -> CatalogItem | None:
    """Return the item that had this id last, None if the request describes another one or its tokens are taken."""
    index = catalog.references.index_of(item.item_id)
    if index is None or catalog.items[index].title != item.title:
        return None
    before = catalog.items[index]
    describes_more = item.brand is not None or bool(item.categories)
    if describes_more and not is_text_of(before.text, item.title, item.brand, item.categories, item.item_id):
        return None
    return before if is_free(before.token_ids) else None


def _first_free(
    item: NewItem, encoder: EntityEncoder, is_free: Callable[[Tokens], bool], fields: Sequence[str]
) -> CatalogItem | None:
    """Return the item with the first text whose tokens are free, None if there is none."""
    for text in texts_of_newcomer(item.title, item.brand, item.categories, item.item_id):
        tokens = tuple(encoder.encode_entity(text))
        if is_free(tokens):
            return CatalogItem(
                item.item_id, item.title, text, tokens, _field_tokens(item, fields, encoder.encode_entity)
            )
    return None


def _token_problem(where: Path, item: CatalogItem | None, max_tokens: int) -> EditProblem | None:
    if item is None:
        message = "has the same tokens as another item, also with brand, category and id; give it another title"
        return EditProblem(where, message, "same_tokens")
    if not item.token_ids:
        return EditProblem(where, "has no tokens; give it a title that can be read", "no_tokens")
    if len(item.token_ids) > max_tokens:
        message = f"must have at most {max_tokens} tokens for this model, got {len(item.token_ids)}; shorten it"
        return EditProblem(where, message, "too_long")
    return None


def _unique_items(items: Sequence[NewItem], encoder: EntityEncoder, fields: Sequence[str]) -> list[CatalogItem]:
    encode = lru_cache(maxsize=None)(lambda text: tuple(encoder.encode_entity(text)))
    item_ids, titles = [item.item_id for item in items], [item.title for item in items]
    brands, categories = [item.brand for item in items], [item.categories for item in items]
    texts, _ = make_unique_texts(titles, brands, categories, item_ids, encode)
    return [
        CatalogItem(item.item_id, item.title, text, encode(text), _field_tokens(item, fields, encode))
        for item, text in zip(items, texts, strict=True)
    ]


def _field_tokens(item: NewItem, fields: Sequence[str], encode: Callable[[str], Sequence[int]]) -> Tokens:
    return encode_words(texts_of_fields(fields, item.title, item.brand, item.categories), encode)


def _is_present(catalog: LiveCatalog, item: CatalogItem) -> bool:
    index = catalog.index_of(item.item_id)
    return index is not None and catalog.items[index] == item
