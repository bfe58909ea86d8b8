"""From the best semantic ids to the best items, and the answer that names them."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recsys_model.decoding.exact import Certificate
from recsys_model.decoding.generator import Answer, Recommendation
from recsys_model.semantic_ids.index import DistinctIds, SemanticIndex, SharedOrder

RowFilter = tuple[list[list[int]], list[list[int] | None]]
"""Excluded and allowed rows of each request."""


@dataclass(frozen=True, slots=True)
class SemanticItem:
    """One recommended item."""

    id: str
    """Its id in the index."""
    title: str | None
    """Its title, if it is known."""
    semantic_id: str
    """Its tokens as one text."""
    score: float
    """Sum of the log-probabilities of its tokens and of the end."""
    num_sharing: int
    """Items of the catalogue that have this semantic id, itself included, and therefore this score."""


@dataclass(frozen=True, slots=True)
class SemanticAnswer:
    """The items of one request."""

    items: tuple[SemanticItem, ...]
    """Best first."""
    shared_order: SharedOrder
    """What orders items of one semantic id."""
    num_history: int
    """Latest items of the history that the model read; `max_history` left out the others."""
    certificate: Certificate | None
    """Bound on all other items that the request could get, with an exact search, else None."""


class SharedIdExpander:
    """Replaces each semantic id of an answer by its items."""

    def __init__(self, distinct: DistinctIds, items_per_id: int) -> None:
        """Take the most items that an answer may have of one id; 0: all."""
        self._distinct = distinct
        self._items_per_id = items_per_id

    def filter_rows(self, excluded: Sequence[set[int]], allowed: Sequence[set[int] | None]) -> RowFilter:
        """Return the rows that a request must not get, because it must not get any of their items, and the allowed ones.

        >>> expander = SharedIdExpander(DistinctIds((("<a>",), ("<b>",)), ((0, 2), (1,)), (0, 1, 0), "catalogue order"), 0)
        >>> expander.filter_rows([{0, 1}, {0, 2}, set()], [None, None, {1}])
        ([[1], [0], []], [None, None, [1]])
        """
        rows = self._distinct.rows
        allowed_rows = [
            None if items is None else sorted({rows[item] for item in items - without})
            for items, without in zip(allowed, excluded, strict=True)
        ]
        return [self._full_rows(items) for items in excluded], allowed_rows

    def _full_rows(self, items: set[int]) -> list[int]:
        counts = Counter(self._distinct.rows[item] for item in items)
        return sorted(row for row, number in counts.items() if number == len(self._distinct.members[row]))

    def expand(
        self, answers: Sequence[Answer], excluded: Sequence[set[int]], allowed: Sequence[set[int] | None]
    ) -> list[Answer]:
        """Return answers of items in place of answers of rows; their certificates stay."""
        return [
            Answer([each for row in answer.items for each in self._items_of(row, without, only)], answer.certificate)
            for answer, without, only in zip(answers, excluded, allowed, strict=True)
        ]

    def _items_of(self, row: Recommendation, without: set[int], only: set[int] | None) -> list[Recommendation]:
        members = self._distinct.members[row.item]
        left = [item for item in members if item not in without and (only is None or item in only)]
        return [Recommendation(item, row.score) for item in left[: self._items_per_id or len(left)]]


def build_answer(index: SemanticIndex, answer: Answer, num_history: int) -> SemanticAnswer:
    """Return an answer with the ids, titles and semantic ids of its items."""
    distinct = index.distinct
    items = tuple(
        SemanticItem(
            id=index.item_ids[each.item],
            title=index.titles[each.item],
            semantic_id=index.text_of(each.item),
            score=each.score,
            num_sharing=len(distinct.members[distinct.rows[each.item]]),
        )
        for each in answer.items
    )
    return SemanticAnswer(items, distinct.order, num_history, answer.certificate)


def answer_to_json(answer: SemanticAnswer) -> dict[str, Any]:
    """Return an answer as plain JSON types; a bound of no item is null.

    >>> item = SemanticItem(id="B0", title=None, semantic_id="<a_1>", score=-0.5, num_sharing=1)
    >>> answer_to_json(SemanticAnswer((item,), "catalogue order", 2, Certificate(-math.inf, 0.0, 3)))["certificate"]
    {'is_exact': True, 'bound': None, 'missing': 0.0, 'num_expanded': 3}
    """
    certificate = answer.certificate
    proof = None
    if certificate is not None:
        values = {name: getattr(certificate, name) for name in ("bound", "missing")}
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        proof = {"is_exact": certificate.is_exact, **finite, "num_expanded": certificate.num_expanded}
    return {
        **dataclasses.asdict(answer),
        "items": [dataclasses.asdict(item) for item in answer.items],
        "certificate": proof,
    }
