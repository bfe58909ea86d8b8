"""SemanticIdRecommender: recommends the items of an index with a published checkpoint, by the trie search.

The tokens of the different semantic ids form the trie; beam search or the exact search of `recsys_model.decoding` ranks
them. Items that share a semantic id have one score, and popularity orders them. With `scoring: lm` a score is the sum of
log-probabilities that `generate` of transformers computes with a prefix function and no length penalty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from recsys_model.config import DecodingConfig
from recsys_model.decoding.answers import Answer
from recsys_model.decoding.expansion import SearchSpace
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.queries import build_queries
from recsys_model.decoding.searching import search_queries
from recsys_model.entities.item_columns import columns_of
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.answers import SemanticAnswer, SharedIdExpander, build_answer
from recsys_model.semantic_ids.checkpoint import PublishedCheckpoint
from recsys_model.semantic_ids.index import SemanticIndex
from recsys_model.semantic_ids.prompts import PromptBuilder
from recsys_model.semantic_ids.published_format import PublishedFormat, published_format
from recsys_model.semantic_ids.references import ItemFinder
from recsys_model.semantic_ids.sequences import build_sequences
from recsys_model.text.tokenizer import SpecialTokens

SemanticScoring = Literal["lm", "trie"]
"""`lm`: log-probabilities of the language model; `trie`: each step renormalised over the allowed tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SemanticRequest:
    """What one user asks for; an item is named by its id, semantic id or title."""

    history: Sequence[str] = ()
    """The user's items, the latest last."""
    exclude_seen: bool = True
    """Whether items of the history are left out; the projects' own evaluations keep them."""
    deny: Sequence[str] = ()
    """Items that are never recommended."""
    allow: Sequence[str] | None = None
    """The only items that are recommended; None: all."""

    def __post_init__(self) -> None:
        for name in ("history", "deny", "allow"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise DataError(f"{name} must be a list of items, got the text {value!r}; write [{value!r}]")


class SemanticIdRecommender:
    """Answers requests with a published checkpoint; docs/semantic-ids.md has an example."""

    def __init__(
        self,
        index: SemanticIndex,
        checkpoint: PublishedCheckpoint,
        form: PublishedFormat | None = None,
        *,
        scoring: SemanticScoring = "lm",
        max_expansions: int = DecodingConfig().max_expansions,
        reuse_mb: int = 0,
    ) -> None:
        """Compile the trie of the semantic ids.

        Args:
            index: The items.
            checkpoint: The model and its tokenizer.
            form: Prompt, end and search; None takes what the project of the index publishes.
            scoring: How tokens are scored.
            max_expansions: Nodes after which an exact search of a request ends.
            reuse_mb: Megabytes of the cache of prompts; the common beginning of two prompts is computed once.

        Raises:
            CheckpointError: the checkpoint lacks tokens of the index, or rows for them.
            ConfigError: a setting is out of range, the prompt does not end as it must, or semantic ids need an end.
        """
        self.index = index
        self.form = published_format(index.layout) if form is None else form
        self._decoding = DecodingConfig(
            num_beams=self.form.num_beams, scoring=scoring, max_expansions=max_expansions, reuse_mb=reuse_mb
        )
        sequences = build_sequences(index, checkpoint, self.form)
        self._finder = ItemFinder(index)
        self._prompts = PromptBuilder(index, checkpoint, self.form, max(map(len, sequences)))
        self._expander = SharedIdExpander(index.distinct, self.form.items_per_id)
        self._space = _search_space(checkpoint, sequences, self._prompts.last_token, self._decoding)

    def recommend(self, requests: Sequence[SemanticRequest], k: int, *, exact: bool = False) -> list[SemanticAnswer]:
        """Return for each request its best items, best first: valid and distinct.

        Each answer has `min(k, items left)` items, fewer only where `max_expansions` ended an exact search. All requests
        are searched together, so memory grows with their number.

        Raises:
            ConfigError: `k` is out of range, or a prompt is too long for the model.
            DataError: a request names an item that the index does not have.
        """
        self._check_k(k, exact=exact)
        if not requests:
            return []
        histories = [[self._finder.find(name) for name in request.history] for request in requests]
        excluded = [self._excluded(*pair) for pair in zip(requests, histories, strict=True)]
        allowed = [None if each.allow is None else self._finder.find_all(each.allow) for each in requests]
        searched = self._search(histories, k, excluded, allowed, exact=exact)
        expanded = self._expander.expand(searched, excluded, allowed)
        lens = [self._prompts.num_used(history) for history in histories]
        pairs = zip(expanded, lens, strict=True)
        return [build_answer(self.index, answer.first(k), num_used) for answer, num_used in pairs]

    def _excluded(self, request: SemanticRequest, history: Sequence[tuple[int, ...]]) -> set[int]:
        seen = {item for items in history for item in items} if request.exclude_seen else set()
        return seen | self._finder.find_all(request.deny)

    @torch.inference_mode()
    def _search(
        self,
        histories: Sequence[Sequence[tuple[int, ...]]],
        k: int,
        excluded: Sequence[set[int]],
        allowed: Sequence[set[int] | None],
        *,
        exact: bool,
    ) -> list[Answer]:
        """Return the best semantic ids, as rows of `index.distinct`, of those that have an item to give."""
        excluded_rows, allowed_rows = self._expander.filter_rows(excluded, allowed)
        queries = build_queries(
            self._prompts.build(histories),
            excluded_rows,
            allowed_rows,
            rules=None,
            columns=columns_of(None, self._space.lists.num_items),
        )
        return search_queries(self._space, queries, k, replace(self._decoding, exact=exact))

    def _check_k(self, k: int, *, exact: bool) -> None:
        if k < 1 or (k > self._decoding.num_beams and not exact):
            raise ConfigError(
                f"k must be from 1 to num_beams ({self._decoding.num_beams}), got {k}; ask for fewer items, raise num_beams, "
                "or search exactly"
            )


def _search_space(
    checkpoint: PublishedCheckpoint, sequences: Sequence[Sequence[int]], last_token: int, decoding: DecodingConfig
) -> SearchSpace:
    """Return the trie of complete answers; what a search calls `[S]` is the last token of every prompt."""
    # a search uses `pad` and `start` alone
    pad = 0 if checkpoint.tokenizer.eos is None else checkpoint.tokenizer.eos
    special = SpecialTokens(pad=pad, eos=None, start=last_token, end=pad, cls=None, mask=pad, gmask=pad, smask=pad)
    cache = PartACache(checkpoint.model, special, decoding.reuse_mb * 1_000_000) if decoding.reuse_mb > 0 else None
    trie = build_token_trie(sequences, end=None)
    return SearchSpace(checkpoint.model, trie, special, decoding.scoring, cache)
