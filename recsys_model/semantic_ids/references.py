"""Find the items that a request names: by id, by key, by semantic id, or by title."""

from collections.abc import Iterable

from recsys_model.errors import DataError
from recsys_model.semantic_ids.index import SemanticIndex, name_some, split_tokens


class ItemFinder:
    """Looks up items of an index.

    Example:
        >>> ids = (("<a_1>", "<b_0>"), ("<a_1>", "<b_0>"), ("<a_2>", "<b_7>"))
        >>> index = SemanticIndex(source="x.json", layout="lcrec", why="", keys=("0", "1", "2"),
        ...                       item_ids=("B0", "B1", "B2"), semantic_ids=ids, titles=("Tent", "Lamp", "Stove"))
        >>> find = ItemFinder(index).find
        >>> find("B2"), find("1"), find("Stove"), find("<a_1><b_0>")
        ((2,), (1,), (2,), (0, 1))
    """

    def __init__(self, index: SemanticIndex) -> None:
        self._index = index
        self._id_to_item = {name: item for item, name in enumerate(index.item_ids)}
        self._key_to_item = {name: item for item, name in enumerate(index.keys)} if index.keys != index.item_ids else {}
        self._semantic_id_to_row = {semantic_id: row for row, semantic_id in enumerate(index.distinct.semantic_ids)}
        self._title_to_items: dict[str, list[int]] = {}
        for item, title in enumerate(index.titles):
            if title is not None:
                self._title_to_items.setdefault(title, []).append(item)

    def find(self, name: str) -> tuple[int, ...]:
        """Return the item of this id, key or title, or all items of this semantic id.

        Ids come before keys of the index file, and titles last.

        Raises:
            DataError: there is no such item, or several have the title.
        """
        item = self._id_to_item.get(name, self._key_to_item.get(name))
        if item is not None:
            return (item,)
        semantic_id = split_tokens(name)
        if semantic_id in self._semantic_id_to_row:
            return self._index.distinct.members[self._semantic_id_to_row[semantic_id]]
        items = self._title_to_items.get(name, [])
        if len(items) > 1:
            ids = name_some([self._index.item_ids[item] for item in items])
            raise DataError(f"{len(items)} items have the title {name!r}; name one by its id: {ids}")
        if not items:
            raise DataError(
                f"{self._index.source} has no item {name!r}; an item is named by its id (such as {self._index.item_ids[0]}), "
                f"its semantic id (such as {self._index.text_of(0)}) or its title"
            )
        return (items[0],)

    def find_all(self, names: Iterable[str]) -> set[int]:
        """Return the items of several names.

        Raises:
            DataError: there is no such item, or several have a title.
        """
        return {item for name in names for item in self.find(name)}
