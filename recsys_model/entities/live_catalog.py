"""LiveCatalog: one version of a catalogue that is edited while it serves.

A version never changes, so a request that holds one sees one catalogue to its end; an edit makes the next version. An
added item takes the next catalogue index. A removed item keeps its own, because histories still refer to it. Versions
share all items, so a version costs a few copies of dictionaries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.references import ReferenceIndex
from recsys_model.errors import DataError

Tokens = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogEdit:
    """A step from one version to the next; what is removed goes before anything is added."""

    removed: tuple[str, ...] = ()
    """Item ids."""
    added: tuple[CatalogItem, ...] = ()
    """Items with their unique texts and tokens; one that was there before, in every field, gets its index back."""
    cells: tuple[tuple[str, Mapping[str, object]], ...] = ()
    """Ids of items that are present afterwards, and their values in columns of the items table."""
    edit_id: str = ""
    """Identifies the edit among others that lead to the same version; may be empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogUpdate:
    """The edits between a held version and the latest one."""

    edits: Sequence[CatalogEdit]
    """In their order."""
    anew: bool = False
    """The edits are made to version 0, for the version held was never one of this catalogue."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveCatalog:
    """All present and removed items of a catalogue."""

    version: int
    """Number of edits since the catalogue was loaded."""
    edit_id: str
    """The last edit's, empty before the first."""
    items: Sequence[CatalogItem]
    """By catalogue index, removed ones included."""
    attributes: Mapping[str, Tokens]
    """Text of an attribute value -> its token ids."""
    tokens_to_index: Mapping[Tokens, int]
    """Token ids of every item that is present -> its catalogue index."""
    references: ReferenceIndex
    """Finds items by id, title or text."""
    cells: Mapping[int, Mapping[str, object]]
    """Catalogue index -> column of the items table -> value, where edits have set one."""

    def __len__(self) -> int:
        return len(self.tokens_to_index)

    def present(self) -> list[int]:
        """Return the catalogue indices of all items that are present, ascending."""
        return sorted(self.tokens_to_index.values())

    def index_of(self, item_id: str) -> int | None:
        """Return the catalogue index of an item that is present, None if there is none with this id."""
        index = self.references.index_of(item_id)
        return index if index is not None and self.has(index) else None

    def has(self, index: int) -> bool:
        """Return whether the item with this catalogue index is present."""
        return self.tokens_to_index.get(self.items[index].token_ids) == index

    def find(self, reference: str, *, suggest: bool = True) -> int:
        """Return the catalogue index that an item id, title or text means, of removed items too.

        Raises:
            DataError: nothing fits, or several items that are present have this title; with `suggest` it
                names similar items.
        """
        return self.references.find(reference, suggest=suggest)

    def latest(self, index: int) -> int:
        """Return the catalogue index that the id of this item has now: another one where the item was replaced."""
        latest = self.references.index_of(self.items[index].item_id)
        return index if latest is None else latest

    def edited(self, edits: Iterable[CatalogEdit]) -> "LiveCatalog":
        """Return the version after these edits.

        Raises:
            DataError: an item to be removed is not present, the id or the tokens of an added one are taken, or an
                item with values is not present.
        """
        draft = _Draft(self)
        edits = list(edits)
        for edit in edits:
            for item_id in edit.removed:
                draft.remove(item_id)
            for item in edit.added:
                draft.add(item)
            for item_id, cells in edit.cells:
                draft.set_cells(item_id, cells)
        return draft.finish(self.version + len(edits), edits[-1].edit_id if edits else self.edit_id)


def live_catalog(catalog: Catalog) -> LiveCatalog:
    """Return version 0: all items of a catalogue are present.

    >>> comb, brush = CatalogItem("a", "Comb", "Comb", (5,)), CatalogItem("b", "Brush", "Brush", (6, 7))
    >>> later = live_catalog(Catalog([comb], {})).edited([CatalogEdit(removed=("a",), added=(brush,))])
    >>> later.version, later.present(), later.find("Comb"), later.find("b")
    (1, [1], 0, 1)
    """
    items = catalog.items
    return LiveCatalog(
        version=0,
        edit_id="",
        items=items,
        attributes=catalog.attributes,
        tokens_to_index={item.token_ids: index for index, item in enumerate(items)},
        references=ReferenceIndex(
            [item.item_id for item in items], [item.title for item in items], [item.text for item in items]
        ),
        cells={},
    )


class _Draft:
    """Copies of a version's containers while its edits are made."""

    def __init__(self, old: LiveCatalog) -> None:
        self._old = old
        self._items = list(old.items)
        self._tokens_to_index = dict(old.tokens_to_index)
        self._new_id_to_index: dict[str, int] = {}
        self._cells = dict(old.cells)

    def remove(self, item_id: str) -> None:
        index = self._index_of(item_id)
        if index is None:
            raise DataError(f"only an item of the catalogue can be removed, got {item_id!r}")
        del self._tokens_to_index[self._items[index].token_ids]

    def add(self, item: CatalogItem) -> None:
        if self._index_of(item.item_id) is not None:
            raise DataError(f"item ids must be unique, got {item.item_id!r}, which is present; remove it first")
        if not item.token_ids or item.token_ids in self._tokens_to_index:
            raise DataError(f"an item needs tokens of its own, got {list(item.token_ids)} for {item.item_id!r}")
        index = self._last_index_of(item.item_id)
        if index is None or self._items[index] != item:
            index = len(self._items)
            self._items.append(item)
        self._tokens_to_index[item.token_ids] = index
        self._new_id_to_index.pop(item.item_id, None)
        self._new_id_to_index[item.item_id] = index

    def set_cells(self, item_id: str, cells: Mapping[str, object]) -> None:
        index = self._index_of(item_id)
        if index is None:
            raise DataError(f"only an item of the catalogue can have values in columns, got {item_id!r}")
        self._cells[index] = {**self._cells.get(index, {}), **cells}

    def finish(self, version: int, edit_id: str) -> LiveCatalog:
        num_old = len(self._old.items)
        added = self._items[num_old:]
        removed = frozenset(range(len(self._items))).difference(self._tokens_to_index.values())
        latest = list(self._new_id_to_index.values())
        # of items that share an id or a text, the one that came last must stand last
        order = [*sorted(set(range(num_old, len(self._items))).difference(latest)), *latest]
        texts = {index: self._items[index].text for index in order}
        references = self._old.references.edited(
            [item.item_id for item in added], [item.title for item in added], texts, removed
        )
        return LiveCatalog(
            version=version,
            edit_id=edit_id,
            items=self._items,
            attributes=self._old.attributes,
            tokens_to_index=self._tokens_to_index,
            references=references,
            cells=self._cells,
        )

    def _last_index_of(self, item_id: str) -> int | None:
        return self._new_id_to_index.get(item_id, self._old.references.index_of(item_id))

    def _index_of(self, item_id: str) -> int | None:
        index = self._last_index_of(item_id)
        present = index is not None and self._tokens_to_index.get(self._items[index].token_ids) == index
        return index if present else None
