"""TrieGuidedGenerator: generates only items of the catalogue, best first.

The entry point of decoding. If scores depend on tokens, a search walks the item trie: `beam.py`, or `exact.py` with
`decoding.exact`. Else one state per request ranks all items.

Shape suffixes: R = requests.
"""

import copy
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, evaluating
from recsys_model.config import DecodingConfig
from recsys_model.decoding.answers import Answer, Recommendation
from recsys_model.decoding.beam import beam_search
from recsys_model.decoding.exact import Certificate, best_first
from recsys_model.decoding.expansion import Expansion, SearchSpace
from recsys_model.decoding.hypotheses import DEAD
from recsys_model.decoding.item_lists import ItemFilter
from recsys_model.decoding.item_scores import best_items
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import check_position_id
from recsys_model.entities.catalog import Catalog
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
    ) -> None:
        """Compile the trie for the device that the model is on.

        Args:
            model: The language model.
            catalog: The items.
            special: Control tokens.
            config: The search.
            scorer: The model's entity head over this catalogue, if it has one.
            temperature: `objective.trie_temperature` of the training.

        Raises:
            ConfigError: an item has more tokens than the model has position ids, or the scoring needs an entity head.
            DataError: the catalogue is empty or two items have the same tokens.
        """
        vectors = None if scorer is None else scorer.vectors
        prefix_cache = PartACache(model, special, config.reuse_mb * 1_000_000, vectors) if config.reuse_mb > 0 else None
        trie = build_token_trie([item.token_ids for item in catalog.items], special.end)
        self._model = model
        self._config = config
        self._scorer = scorer
        self._temperature = temperature
        self._space = SearchSpace(
            model, trie, special, config.scoring, prefix_cache, scorer=scorer, temperature=temperature
        )
        check_position_id(model, self._space.edges.largest_intra_id, "the longest item")

    def of_items(self, items: Sequence[ItemWithTokens], present: Sequence[int]) -> "TrieGuidedGenerator":
        """Return a generator of those `items` whose indices are `present`, ascending; this one does not change.

        Model, settings and prefix cache are shared. Scores are those of a catalogue without the other items; answers,
        `excluded` and `allowed` still hold indices into `items`.

        Raises:
            ConfigError: an item has more tokens than the model has position ids.
            DataError: no item is present or two of them have the same tokens.
        """
        space = self._space
        trie = build_token_trie([items[index].token_ids for index in present], space.special.end, present)
        other = copy.copy(self)
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
    ) -> list[list[Recommendation]]:
        """Return the items of `search` alone."""
        return [answer.items for answer in self.search(prompts, k, excluded, allowed)]

    @torch.inference_mode()
    def search(
        self,
        prompts: Sequence[Prompt],
        k: int,
        excluded: Sequence[Collection[int]] | None = None,
        allowed: Sequence[Collection[int] | None] | None = None,
    ) -> list[Answer]:
        """Return for each prompt its best items, best first: distinct, none of them excluded.

        Each list has `min(k, items left)` entries, fewer only where `max_expansions` ended an exact search. All prompts
        are searched together, so memory grows with their number.

        Args:
            prompts: The prompt of each request.
            k: Items per request.
            excluded: Catalogue indices that a request must not get.
            allowed: The only catalogue indices that a request may get, for example those in stock; none allows all.

        Raises:
            ConfigError: `k` is below 1 or above the number of beams, or a prompt is too long for the model.
            DataError: `excluded` or `allowed` does not fit the prompts or the catalogue.
        """
        self._check_k(k)
        excluded = [()] * len(prompts) if excluded is None else excluded
        if len(excluded) != len(prompts):
            raise DataError(f"excluded must have one entry per prompt, got {len(excluded)} for {len(prompts)} prompts")
        if not prompts:
            return []
        with evaluating(self._model):
            return self._search(prompts, k, self._space.lists.filter_of(excluded, allowed))

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
        with evaluating(self._model):
            if self._needs_search:
                expansion = Expansion(self._space, prompts, k, items, keeps_beams=True)
                best_first(expansion, len(prompts), ALL_NODES)
                item_scores = expansion.finished.as_lists()
            else:
                item_scores = self._best_items(prompts, k, items)
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
            score_RI = Expansion(self._space, prompts, 1, self._space.lists.filter_of(excluded)).score_items()
        return score_RI.new_full(shape, DEAD).index_copy_(1, item_scores.items_I, score_RI)

    def _best_items(self, prompts: Sequence[Prompt], k: int, items: ItemFilter) -> list[list[tuple[int, float]]]:
        item_scores = self._space.item_scores
        assert item_scores is not None, "only called where whole items are scored"
        return best_items(Expansion(self._space, prompts, k, items).score_items(), item_scores.items_I, k)

    @property
    def _vectors(self) -> ItemVectors | None:
        return None if self._scorer is None else self._scorer.vectors

    @property
    def _needs_search(self) -> bool:
        """Whether scores depend on tokens; otherwise one state ranks all items."""
        scores = self._space.item_scores
        return scores is None or scores.token_weight > 0.0

    def _check_k(self, k: int) -> None:
        if k < 1 or (k > self._config.num_beams and self._needs_search and not self._config.exact):
            raise ConfigError(
                f"k must be from 1 to decoding.num_beams ({self._config.num_beams}), got {k}; "
                "ask for fewer items or raise decoding.num_beams"
            )

    def _rank(self, prompts: Sequence[Prompt], k: int, items: ItemFilter) -> list[Answer]:
        """Return the best items by their token-independent scores; without a search the answer is exact."""
        answers = []
        for pairs in self._best_items(prompts, k + 1, items):
            recommendations = [Recommendation(item, score) for item, score in pairs[:k]]
            bound = max((score for _, score in pairs[k:]), default=DEAD)
            certificate = Certificate(bound, 0.0, 0) if self._config.exact else None
            answers.append(Answer(recommendations, certificate))
        return answers

    def _search(self, prompts: Sequence[Prompt], k: int, items: ItemFilter) -> list[Answer]:
        if not self._needs_search:
            return self._rank(prompts, k, items)
        expansion = Expansion(self._space, prompts, k, items, keeps_beams=self._config.exact)
        certificates: Sequence[Certificate | None] = [None] * len(prompts)
        if self._config.exact:
            certificates = best_first(expansion, len(prompts), self._config.max_expansions)
        else:
            beam_search(expansion, len(prompts), self._config.num_beams)
        return [
            Answer([Recommendation(item, score) for item, score in pairs], certificate)
            for pairs, certificate in zip(expansion.finished.as_lists(), certificates, strict=True)
        ]
