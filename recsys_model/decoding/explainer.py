"""Explainer: explains the score of an item, and asks what each event of a history contributes.

Shape suffixes: T = tokens, D = hidden size.
"""

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from recsys_model.backbones.base import evaluating
from recsys_model.decoding.explanation import EventEffect, EventEffects, Explanation, Part, ScorePart
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.item_scores import child_log_probs
from recsys_model.decoding.queries import build_queries
from recsys_model.decoding.standing import ItemRanking
from recsys_model.decoding.walk import TokenText, Walker
from recsys_model.entities.rules import Rules
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.left_out import events_of, text_without
from recsys_model.text.textualize import TokenizedText

MAX_CHILDREN = 10
"""Children that are listed at each branch by default."""
PROMPTS_TOGETHER = 32
"""Prompts that are scored in one batch."""


class Explainer:
    """Explains the scores of one generator."""

    def __init__(self, generator: TrieGuidedGenerator, token_text: TokenText) -> None:
        """Take a function that returns the text of token ids, such as `Tokenizer.decode`."""
        self._generator = generator
        self._walker = Walker(generator.space, token_text)

    @torch.inference_mode()
    def explain(self, prompt: Prompt, item: int, max_children: int = MAX_CHILDREN) -> Explanation:
        """Return the walk to an item and the parts of its score.

        Raises:
            ConfigError: the prompt is too long for the model.
            DataError: the item is not present in the catalogue.
        """
        self._generator.check_item(item)
        with evaluating(self._generator.space.model):
            hidden_TD = self._walker.states(prompt, item)
        tokens = self._walker.tokens(prompt, item, hidden_TD)
        parts = self._parts(prompt, item, hidden_TD, sum(token.log_prob for token in tokens))
        branches = self._walker.branches(item, hidden_TD, self._item_shares(prompt, hidden_TD), max_children)
        return Explanation(
            item=item,
            score=sum(part.contribution for part in parts),
            parts=parts,
            prompt=self._walker.prompt_tokens(prompt),
            tokens=tokens,
            branches=branches,
        )

    @torch.inference_mode()
    def leave_events_out(
        self,
        text: TokenizedText,
        build: Callable[[TokenizedText], Prompt],
        item: int,
        excluded: Collection[int] = (),
        allowed: Collection[int] | None = None,
        rules: Rules | None = None,
        max_expansions: int = 500,
    ) -> EventEffects:
        """Return score and rank of an item with the whole history, and without each of its events.

        Args:
            text: The text of the request, with its history.
            build: Makes the prompt of a text, as for the request.
            item: Its catalogue index.
            excluded: Catalogue indices that are not ranked, the same for every prompt.
            allowed: The only catalogue indices that are ranked; None ranks all.
            rules: Their lists and conditions say which items are ranked, too; caps do not count.
            max_expansions: Nodes of the trie per prompt that are expanded to find better items.

        Raises:
            ConfigError: a prompt is too long for the model.
            DataError: the item is not present or not allowed, or lists or rules do not fit the catalogue.
        """
        entities = events_of(text)
        prompts = [build(text), *(build(text_without(text, entity)) for entity in entities)]
        ranking = ItemRanking(self._generator, item, max_expansions)
        queries = build_queries(
            prompts,
            [excluded] * len(prompts),
            [allowed] * len(prompts),
            [rules] * len(prompts),
            self._generator.columns,
        )
        with evaluating(self._generator.space.model):
            # the whole history comes first, so that the other prompts find its keys and values
            standings = ranking.standings(queries[:1])
            for start in range(1, len(queries), PROMPTS_TOGETHER):
                standings += ranking.standings(queries[start : start + PROMPTS_TOGETHER])
        events = tuple(
            EventEffect(event=place, item=text.entity_items[entity], without=standing)
            for place, (entity, standing) in enumerate(zip(entities, standings[1:], strict=True))
        )
        return EventEffects(item=item, whole=standings[0], events=events, num_reused_tokens=ranking.num_reused)

    def _parts(self, prompt: Prompt, item: int, hidden_TD: Tensor, token_score: float) -> tuple[ScorePart, ...]:
        scores = self._generator.space.item_scores
        if scores is None:
            return (_part("tokens", 1.0, token_score),)
        row = int(self._generator.space.lists.rows_of([item])[0])
        log_prob = float(scores.log_probs(hidden_TD[:1], [prompt.history])[0, row])
        if not self._generator.space.blends:
            return (_part("items", 1.0, log_prob),)
        places, log_counts = scores.log_counts(prompt.history)
        log_count = float(log_counts[places == row].sum())
        blend = scores.blend
        return (
            _part("tokens", blend.token, token_score),
            _part("items", blend.entity, log_prob),
            _part("counts", blend.co_occurrence, log_count),
        )

    def _item_shares(self, prompt: Prompt, hidden_TD: Tensor) -> Tensor | None:
        """Return what the entity head gives each node as a share of its parent, as a logarithm."""
        scores = self._generator.space.item_scores
        if scores is None:
            return None
        return child_log_probs(scores.log_probs(hidden_TD[:1], [prompt.history]), self._generator.space.trie)[0]


def _part(name: Part, weight: float, value: float) -> ScorePart:
    return ScorePart(name=name, weight=weight, value=value, contribution=weight * value)
