"""Score and rank of one item for several prompts: how many allowed items are better.

With token scores a best-first search counts them: it expands every node whose bound is not below the item's score, and no
other.

Shape suffixes: R = requests, M = new items of the request that has most, I = items in trie order.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_model.decoding.cache import PartAEncoder
from recsys_model.decoding.exact import Certificate, best_first
from recsys_model.decoding.expansion import Expansion
from recsys_model.decoding.explanation import Standing
from recsys_model.decoding.generator import ALL_NODES, TrieGuidedGenerator
from recsys_model.decoding.hypotheses import Finished, sort_keys
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.queries import ItemQuery, filter_of
from recsys_model.errors import DataError

CACHE_BYTES = 256_000_000
"""Keys and values of prompts that are kept for the next ones."""


class BetterItems:
    """Counts the finished items of each request that are better than one item."""

    def __init__(self, item: int, score_R: Tensor) -> None:
        self._item = item
        self._score_R = score_R
        self._own_key_R = sort_keys(score_R, torch.full_like(score_R, item, dtype=torch.int64))
        self.num_better_R = torch.zeros(len(score_R), dtype=torch.int64, device=score_R.device)
        """Items with a higher score, or with the same one and a lower index."""

    def add(self, request_R: Tensor, score_RM: Tensor, item_RM: Tensor) -> Tensor:
        """Count items; return the sort key that a node of each of these requests must exceed, that of the item."""
        own_R1 = self._score_R[request_R][:, None]
        is_better_RM = (score_RM > own_R1) | ((score_RM == own_R1) & (item_RM < self._item))
        # the item itself may come out a rounding error above its score
        self.num_better_R[request_R] += (is_better_RM & (item_RM != self._item)).sum(dim=1)
        return self._own_key_R[request_R]

    def worst_scores(self) -> Tensor:
        """Return the score below which no item is better, [R]."""
        return self._score_R

    def worst_keys(self) -> Tensor:
        """Return the sort key that a node must exceed, [R]."""
        return self._own_key_R


class ItemRanking:
    """Ranks one item for several queries; prompts reuse keys and values of the prompts before them."""

    def __init__(self, generator: TrieGuidedGenerator, item: int, max_expansions: int) -> None:
        """Take the nodes of the trie that are expanded at most to find better items.

        Raises:
            DataError: the item is not present in the catalogue.
        """
        self._generator = generator
        self._space = space = generator.space
        generator.check_item(item)
        self._item = item
        self._max_expansions = max_expansions
        self._cache = space.prefix_cache or PartACache(space.model, space.special, CACHE_BYTES, space.vectors)
        self._num_reused_before = self._cache.num_reused

    @property
    def num_reused(self) -> int:
        """Prompt tokens whose keys and values were reused."""
        return self._cache.num_reused - self._num_reused_before

    def standings(self, queries: Sequence[ItemQuery]) -> list[Standing]:
        """Return the standing of the item for each query.

        Raises:
            ConfigError: a prompt is too long for the model.
            DataError: a query does not allow the item, or a list does not fit the catalogue.
        """
        forbidding = [place for place, query in enumerate(queries) if not query.allows(self._item)]
        if forbidding:
            raise DataError(f"item {self._item} has no rank, since lists or rules of the request forbid it")
        encoded = self._cache.encode([query.prompt for query in queries])
        return self._counted(queries, encoded) if self._generator.needs_search else self._ranked(queries, encoded)

    def _ranked(self, queries: Sequence[ItemQuery], encoded: PartAEncoder) -> list[Standing]:
        """Rank by the scores of all items."""
        scores = self._space.item_scores
        assert scores is not None, "without a search whole items are scored"
        prompts = [query.prompt for query in queries]
        score_RI = Expansion(self._space, prompts, filter_of(self._space.lists, queries), encoded=encoded).score_items()
        own_R1 = score_RI[:, self._space.lists.rows_of([self._item])]
        is_better_RI = (score_RI > own_R1) | ((score_RI == own_R1) & (scores.items_I < self._item))
        ranks, own = (1 + is_better_RI.sum(dim=1)).tolist(), own_R1.squeeze(1).tolist()
        return [Standing(score=score, rank=rank, is_rank_exact=True) for score, rank in zip(own, ranks, strict=True)]

    def _counted(self, queries: Sequence[ItemQuery], encoded: PartAEncoder) -> list[Standing]:
        """Rank by counting better items."""
        score_R = self._token_scores(queries, encoded)
        better = BetterItems(self._item, score_R)
        certificates = self._search(queries, encoded, better)
        rows = zip(score_R.tolist(), better.num_better_R.tolist(), certificates, strict=True)
        return [
            Standing(score=score, rank=1 + number, is_rank_exact=certificate.is_exact)
            for score, number, certificate in rows
        ]

    def _search(self, queries: Sequence[ItemQuery], encoded: PartAEncoder, better: BetterItems) -> list[Certificate]:
        prompts, items = [query.prompt for query in queries], filter_of(self._space.lists, queries)
        expansion = Expansion(self._space, prompts, items, better, keeps_beams=True, encoded=encoded)
        return best_first(expansion, len(queries), self._max_expansions)

    def _token_scores(self, queries: Sequence[ItemQuery], encoded: PartAEncoder) -> Tensor:
        """Return the score of the item for each query, as a search gives it, [R]."""
        only = self._space.lists.filter_of([()] * len(queries), [[self._item]] * len(queries))
        finished = Finished(len(queries), 1, self._space.model.device)
        prompts = [query.prompt for query in queries]
        expansion = Expansion(self._space, prompts, only, finished, keeps_beams=True, encoded=encoded)
        best_first(expansion, len(queries), ALL_NODES)
        return finished.worst_scores().clone()
