"""TrieGuidedGenerator: generates only items of the catalogue, best first.

The entry point of decoding. If scores depend on tokens, a search walks the item trie: `beam.py`, or `exact.py` with
`decoding.exact`. Else one state per request ranks all items.

Shape suffixes: R = requests.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, evaluating
from recsys_model.config import DecodingConfig
from recsys_model.decoding.answers import Answer, Recommendation
from recsys_model.decoding.exact import best_first
from recsys_model.decoding.expansion import Expansion, SearchSpace
from recsys_model.decoding.hypotheses import DEAD, Finished
from recsys_model.decoding.item_scores import best_items
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import check_position_id
from recsys_model.decoding.queries import build_queries
from recsys_model.decoding.searching import rank_queries, search_queries
from recsys_model.entities.catalog import Catalog
from recsys_model.entities.item_columns import ItemColumns, columns_of
from recsys_model.entities.rules import Rules
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_head.scorer import EntityScorer
from recsys_model.entity_head.vectors import ItemVectors, ItemWithTokens
from recsys_model.errors import ConfigError, DataError
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens

ALL_NODES = 1 << 30
"""Work limit of a search that must come to its end."""


class TrieGuidedGenerator:
    """Generates the best items of a catalogue for prompts.

    The model's weights may change between calls, unless `decoding.reuse_mb` keeps earlier prompts in a prefix cache.

    `scoring: trie` renormalises each step over the children of the node in the trie of all items, excluded or not,
    so excluding an item does not change the scores of the others.
    """

    def __init__(
        self,
        model: Backbone,
        catalog: Catalog,
        special: SpecialTokens,
        config: DecodingConfig,
        scorer: EntityScorer | None = None,
        temperature: float = 1.0,
        columns: ItemColumns | None = None,
    ) -> None:
        """Compile the trie for the device that the model is on.

        Args:
            model: The language model.
            catalog: The items.
            special: Control tokens.
            config: The search.
            scorer: The model's entity head over this catalogue, if it has one.
            temperature: `objective.trie_temperature` of the training.
            columns: The columns of the items table that rules may name; none without.

        Raises:
            ConfigError: an item has more tokens than the model has position ids, or the scoring needs an entity head.
            DataError: the catalogue is empty, two items have the same tokens, or the columns have other items.
        """
        vectors = None if scorer is None else scorer.vectors
        prefix_cache = PartACache(model, special, config.reuse_mb * 1_000_000, vectors) if config.reuse_mb > 0 else None
        trie = build_token_trie([item.token_ids for item in catalog.items], special.end)
        self._model = model
        self._config = config
        self._scorer = scorer
        self._temperature = temperature
        self._columns = columns_of(columns, len(catalog.items))
        self._space = SearchSpace(
            model, trie, special, config.scoring, prefix_cache, scorer=scorer, temperature=temperature
        )
        check_position_id(model, self._space.edges.largest_intra_id, "the longest item")

    def of_items(
        self, items: Sequence[ItemWithTokens], present: Sequence[int], columns: ItemColumns | None = None
    ) -> "TrieGuidedGenerator":
        """Return a generator of those `items` whose indices are `present`, ascending; this one does not change.

        `columns` are those of all `items`; they may be left out if this generator has none, or no item is new.

        Model, settings and prefix cache are shared. Scores are those of a catalogue without the other items; answers,
        `excluded` and `allowed` still hold indices into `items`.

        Raises:
            ConfigError: an item has more tokens than the model has position ids.
            DataError: no item is present, two of them have the same tokens, or the columns have other items.
        """
        space = self._space
        trie = build_token_trie([items[index].token_ids for index in present], space.special.end, present)
        other = copy.copy(self)
        kept = self._columns if self._columns.kinds else None
        other._columns = columns_of(kept if columns is None else columns, len(items))
        if self._scorer is not None:
            other._scorer = self._scorer.of_items(self._model, items)
        cache = space.prefix_cache
        prefix_cache = None if cache is None else cache.of_vectors(other._vectors)
        other._space = SearchSpace(
            self._model,
            trie,
            space.special,
            self._config.scoring,
            prefix_cache,
            num_items=len(items),
            scorer=other._scorer,
            temperature=self._temperature,
        )
        check_position_id(self._model, other._space.edges.largest_intra_id, "the longest item")
        return other

    def with_exact(self, exact: bool) -> "TrieGuidedGenerator":
        """Return a generator that searches exactly, or by beams; everything else is shared."""
        if exact == self._config.exact:
            return self
        other = copy.copy(self)
        other._config = replace(self._config, exact=exact)
        return other

    def hiding(self, items: Collection[int]) -> "TrieGuidedGenerator":
        """Return a generator that never returns these catalogue indices, without compiling a trie; other scores stay."""
        other = copy.copy(self)
        other._space = copy.copy(self._space)
        other._space.lists = self._space.lists.hiding(items)
        return other

    def recommend(
        self,
        prompts: Sequence[Prompt],
        k: int,
        excluded: Sequence[Collection[int]] | None = None,
        allowed: Sequence[Collection[int] | None] | None = None,
        rules: Sequence[Rules | None] | None = None,
    ) -> list[list[Recommendation]]:
        """Return the items of `search` alone."""
        return [answer.items for answer in self.search(prompts, k, excluded, allowed, rules)]

    @torch.inference_mode()
    def search(
        self,
        prompts: Sequence[Prompt],
        k: int,
        excluded: Sequence[Collection[int]] | None = None,
        allowed: Sequence[Collection[int] | None] | None = None,
        rules: Sequence[Rules | None] | None = None,
    ) -> list[Answer]:
        """Return for each prompt its best items under its rules, best first: distinct, none of them excluded.

        Each list has `min(k, items left)` entries, fewer only where `max_expansions` ended an exact search or caps forbid
        all others. All prompts are searched together, so memory grows with their number.

        Args:
            prompts: The prompt of each request.
            k: Items per request.
            excluded: Catalogue indices that a request must not get.
            allowed: The only catalogue indices that a request may get, for example those in stock; none allows all.
            rules: Conditions on columns, caps and lists of a request; none allows all.

        Raises:
            ConfigError: `k` is below 1 or above the number of beams, or a prompt is too long for the model.
            DataError: `excluded`, `allowed` or `rules` do not fit the prompts, the catalogue or its columns.
        """
        self._check_k(k)
        queries = build_queries(prompts, excluded, allowed, rules, self._columns)
        if not queries:
            return []
        answer = search_queries if self.needs_search else rank_queries
        with evaluating(self._model):
            return answer(self._space, queries, k, self._config)

    @torch.inference_mode()
    def score_candidates(self, prompts: Sequence[Prompt], candidates: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the score of each candidate of each prompt, the same that `search` gives it.

        Raises:
            ConfigError: a prompt is too long for the model.
            DataError: a candidate is not one of the catalogue's present items.
        """
        if not prompts:
            return []
        items = self._space.lists.filter_of([()] * len(prompts), candidates)
        k = max(1, *map(len, candidates))
        finished = Finished(len(prompts), k, self._model.device)
        with evaluating(self._model):
            expansion = Expansion(self._space, prompts, items, finished, keeps_beams=self.needs_search)
            if self._space.item_scores is not None and not self.needs_search:
                item_scores = best_items(expansion.score_items(), self._space.item_scores.items_I, k)
            else:
                best_first(expansion, len(prompts), ALL_NODES)
                item_scores = finished.as_lists()
        scores = [dict(pairs) for pairs in item_scores]
        for place, (row, listed) in enumerate(zip(scores, candidates, strict=True)):
            missing = [item for item in listed if item not in row]
            if missing:
                raise DataError(
                    f"candidates must be present in the catalogue, item {missing[0]} of entry {place} is not"
                )
        return [[row[item] for item in listed] for row, listed in zip(scores, candidates, strict=True)]

    @torch.inference_mode()
    def score_all(self, prompts: Sequence[Prompt], excluded: Sequence[Collection[int]]) -> Tensor:
        """Return the token-independent score of every item of the catalogue, float32, [R, items].

        Excluded items and those that are not present have -inf.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        item_scores = self._space.item_scores
        assert item_scores is not None, "only called where whole items are scored"
        shape = (len(prompts), self._space.lists.num_items)
        if not prompts:
            return torch.zeros(shape, device=self._model.device)
        with evaluating(self._model):
            score_RI = Expansion(self._space, prompts, self._space.lists.filter_of(excluded)).score_items()
        return score_RI.new_full(shape, DEAD).index_copy_(1, item_scores.items_I, score_RI)

    def check_item(self, item: int) -> None:
        """Raise `DataError` unless an item with this catalogue index is present and not hidden."""
        lists = self._space.lists
        if not (0 <= item < lists.num_items and len(lists.rows_of([item]))):
            raise DataError(f"only an item that is present in the catalogue has a score, got the index {item}")

    @property
    def space(self) -> SearchSpace:
        """The item trie, with everything that scores it."""
        return self._space

    @property
    def columns(self) -> ItemColumns:
        """The columns that rules may name."""
        return self._columns

    @property
    def _vectors(self) -> ItemVectors | None:
        return None if self._scorer is None else self._scorer.vectors

    @property
    def needs_search(self) -> bool:
        """Whether scores depend on tokens, so that a search is needed; otherwise one state ranks all items."""
        scores = self._space.item_scores
        return scores is None or scores.token_weight > 0.0

    def _check_k(self, k: int) -> None:
        if k < 1 or (k > self._config.num_beams and self.needs_search and not self._config.exact):
            raise ConfigError(
                f"k must be from 1 to decoding.num_beams ({self._config.num_beams}), got {k}; "
                "ask for fewer items or raise decoding.num_beams"
            )
