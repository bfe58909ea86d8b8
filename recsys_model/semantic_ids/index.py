"""SemanticIndex: the items of a published generative recommender, each with its semantic id.

A semantic id is a short list of tokens, one per level of a quantiser. Several items may share one semantic id.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from recsys_model.errors import DataError

SemanticId = tuple[str, ...]
"""The tokens of an item, the first level first, for example `("<a_236>", "<b_231>", "<c_226>")`."""
Layout = Literal["minionerec", "lcrec", "openonerec"]
"""The project whose files and prompts are used."""
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
LAYOUT_TITLES: dict[Layout, str] = {"minionerec": "MiniOneRec", "lcrec": "LC-Rec", "openonerec": "OpenOneRec"}
SharedOrder = Literal["training popularity", "catalogue order"]
"""What orders items that share a semantic id, and therefore their score."""
TOKEN = re.compile(r"<[^<>\s]+>")
_MAX_NAMED = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SemanticIndex:
    """Items in the order of their file, with their semantic ids.

    Example:
        >>> ids = (("<a_1>", "<b_0>"), ("<a_1>", "<b_0>"), ("<a_2>", "<b_7>"))
        >>> index = SemanticIndex(source="x.json", layout="lcrec", why="", keys=("0", "1", "2"),
        ...                       item_ids=("B0", "B1", "B2"), semantic_ids=ids, titles=(None,) * 3)
        >>> index.num_items, index.lengths, index.distinct.members
        (3, (2,), ((0, 1), (2,)))
    """

    source: str
    """The index file."""
    layout: Layout
    """The project that the file belongs to."""
    why: str
    """The mark by which the file was recognised."""
    keys: tuple[str, ...]
    """The items' keys in the index file."""
    item_ids: tuple[str, ...]
    """The ids that answers name: raw ids where they are known, else the keys."""
    semantic_ids: tuple[SemanticId, ...]
    """One per item."""
    titles: tuple[str | None, ...]
    """One per item, None where it is unknown."""
    counts: tuple[int, ...] | None = None
    """Training popularity of each item, if it is known."""
    notes: tuple[str, ...] = ()
    """What is unusual about the files, one sentence each."""

    def __post_init__(self) -> None:
        if not self.item_ids:
            raise DataError(f"{self.source} must have at least 1 item, got 0")
        for ids in (self.keys, self.item_ids):
            if len(set(ids)) < len(ids):
                name, number = Counter(ids).most_common(1)[0]
                raise DataError(f"{self.source}: an item may occur once, {name!r} occurs {number} times")

    @property
    def num_items(self) -> int:
        """Number of items."""
        return len(self.item_ids)

    @property
    def lengths(self) -> tuple[int, ...]:
        """The numbers of tokens that semantic ids have, ascending."""
        return tuple(sorted(set(map(len, self.semantic_ids))))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The different tokens of all semantic ids, in the order of their first use."""
        return tuple(dict.fromkeys(token for semantic_id in self.distinct.semantic_ids for token in semantic_id))

    @cached_property
    def distinct(self) -> "DistinctIds":
        """The different semantic ids and their items."""
        return find_distinct_ids(self.semantic_ids, self.counts)

    def text_of(self, item: int) -> str:
        """Return the semantic id of an item as it stands in a prompt."""
        return "".join(self.semantic_ids[item])


@dataclass(frozen=True, slots=True)
class DistinctIds:
    """The different semantic ids of an index, in the order of their first item."""

    semantic_ids: tuple[SemanticId, ...]
    """The ids."""
    members: tuple[tuple[int, ...], ...]
    """The items of each id: the most popular one first, of equal ones that which the file names first."""
    rows: tuple[int, ...]
    """The id of each item, as an index into `semantic_ids`."""
    order: SharedOrder
    """What orders the items of one id."""

    @property
    def num_shared(self) -> int:
        """Number of ids that several items share."""
        return sum(len(items) > 1 for items in self.members)


def find_distinct_ids(semantic_ids: Sequence[SemanticId], counts: Sequence[int] | None) -> DistinctIds:
    """Group items by their semantic ids; `counts` is the training popularity of each item.

    >>> find_distinct_ids([("<a>",), ("<b>",), ("<a>",)], [1, 1, 5]).members
    ((2, 0), (1,))
    """
    id_to_items: dict[SemanticId, list[int]] = {}
    for item, semantic_id in enumerate(semantic_ids):
        id_to_items.setdefault(semantic_id, []).append(item)
    rows = [0] * len(semantic_ids)
    for row, items in enumerate(id_to_items.values()):
        for item in items:
            rows[item] = row
        if counts is not None:
            items.sort(key=lambda item: -counts[item])
    order: SharedOrder = "catalogue order" if counts is None else "training popularity"
    return DistinctIds(tuple(id_to_items), tuple(map(tuple, id_to_items.values())), tuple(rows), order)


def split_tokens(text: str) -> SemanticId | None:
    """Return the tokens of a semantic id that is written as one text, None if the text is none.

    >>> split_tokens("<a_1><b_20>"), split_tokens("<a_1> tent")
    (('<a_1>', '<b_20>'), None)
    """
    tokens = tuple(TOKEN.findall(text))
    return tokens if tokens and "".join(tokens) == text else None


def name_some(names: Sequence[str]) -> str:
    """Return the first few names and the number of the others.

    >>> name_some(["a", "b"]), name_some(list("abcde"))
    ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
