"""One blank-infilling example: part A, the text with its blanks, and part B, the hidden spans.

Part A is bidirectional. Part B holds the spans in chronological order (`span_order: shuffled`, as in
GLM, is the ablation), each as `[S] span` on the input side and `span [E]` on the target side; it
sees part A and its own past (paper, Training Phase).
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_model.config import ObjectiveConfig
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.errors import DataError
from recsys_model.infilling.item_paths import FORCED, ItemPaths
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM, input_items_in, item_at_end, item_targets_of
from recsys_model.infilling.item_row import lay_out_history
from recsys_model.infilling.masking import (
    Span,
    document_level_span,
    entity_level_spans,
    next_item_cut,
    sentence_level_spans,
)
from recsys_model.infilling.part_a import corrupt
from recsys_model.infilling.positions import PositionAutomaton, gold_span_ids
from recsys_model.text.task_text import TaskText
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

IGNORED_LABEL = -100
WHOLE_VOCABULARY = -1
"""Value in `trie_nodes` for a target that is normalised over the whole vocabulary."""
FORCED_TOKEN = -2
"""Value in `trie_nodes` for a token without an alternative in the trie, if such tokens have their own loss weight."""
OBJECTIVES = ("entity", "sentence", "document", "next_item")


@dataclass(slots=True)
class Example:
    """Part A followed by part B."""

    token_ids: list[int]
    """Inputs."""
    inter_position_ids: list[int]
    """Index in part A; in part B that of the span's mask token."""
    intra_position_ids: list[int]
    """Place inside the entity."""
    labels: list[int]
    """Targets aligned with the inputs, not shifted; `IGNORED_LABEL` in part A."""
    trie_nodes: list[int]
    """Node of the item trie at which a target is chosen, or `WHOLE_VOCABULARY`."""
    part_a_len: int
    """Number of tokens of part A."""
    input_items: list[int]
    """Catalogue index of the item whose residual the entity head adds to each token, or `NO_ITEM`."""
    earlier_items: list[tuple[int, ...]]
    """The items before that one, the latest first, or `NO_EARLIER`."""
    item_targets: list[int]
    """Catalogue index of the item that begins with the target of each token, or `NO_ITEM`."""


class ExampleBuilder:
    """Draws an objective and its spans for a text, and lays the example out.

    With `item_loss: trie` an item's token is a target only where the trie leaves a choice.
    """

    def __init__(
        self, objective: ObjectiveConfig, special: SpecialTokens, automaton: PositionAutomaton, trie: TokenTrie
    ) -> None:
        self._objective = objective
        self._special = special
        self._automaton = automaton
        weighs_forced = objective.item_loss == "lm" and objective.forced_token_weight != 1.0
        self._paths = ItemPaths(trie) if objective.item_loss == "trie" or weighs_forced else None
        self._levels = {
            "entity": (entity_level_spans, special.mask),
            "sentence": (sentence_level_spans, special.smask),
            "document": (document_level_span, special.gmask),
        }
        weights = np.array([getattr(objective, f"{name}_weight") for name in OBJECTIVES])
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, text: TokenizedText, rng: np.random.Generator) -> Example:
        """Return a new example of the text with spans drawn from `rng`.

        Raises:
            DataError: the text has no token, or the supervised task is drawn and it has no item.
        """
        if not text.token_ids:
            raise DataError("a text needs at least 1 token to hide, got 0; leave it out")
        choice = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        name = OBJECTIVES[min(choice, len(OBJECTIVES) - 1)]
        if name == "next_item" and self._asks_for_all:
            return self.ask_for_all(text)
        if name == "next_item":
            return self.ask_for_item(text, next_item_cut(text, self._objective, rng))
        draw_spans, mask_token = self._levels[name]
        spans = draw_spans(text, self._objective, rng)
        shuffled = self._objective.span_order == "shuffled"
        order = rng.permutation(len(spans)).tolist() if shuffled else range(len(spans))
        return self.lay_out(text, spans, mask_token, order)

    def ask_for_item(self, text: TokenizedText, entity: int) -> Example:
        """Return the supervised example: the text before an entity is the prompt, the entity is the answer."""
        prompt = text.before(entity)
        span = (len(prompt), text.entity_ends[entity])
        prompt.add_entity(text.token_ids[slice(*span)], text.entity_items[entity])
        if self._asks_for_all:
            return self._lay_out_items(prompt, only_last=True)
        return self.lay_out(prompt, [span], self._special.gmask)

    def ask_for_all(self, text: TokenizedText) -> Example:
        """Return the supervised example that asks for every item of a text (`item_row`).

        Raises:
            DataError: the text has no item.
        """
        if not any(item >= 0 for item in text.entity_items):
            raise DataError(
                "the supervised task asks for the items of a text, got a text without one; give it a target"
            )
        return self._lay_out_items(text)

    @property
    def _asks_for_all(self) -> bool:
        return self._objective.next_item_target == "all"

    def _lay_out_items(self, text: TokenizedText, *, only_last: bool = False) -> Example:
        """Lay the items of a text out as one blank; each, or only the last, is a target.

        With `history: tokens` the tokens of all items are targets; else only those of the last item.
        """
        with_tokens = self._objective.history == "tokens"
        entities = [entity for entity, item in enumerate(text.entity_items) if item >= 0]
        last_start, last_end = text.entity_starts[entities[-1]], text.entity_ends[entities[-1]]
        history = text.before(entities[-1])
        row = lay_out_history(history, self._special, self._objective.intra_mode, self._objective.history)
        item_tokens = text.token_ids[last_start:last_end]
        row.add_item(self._special.start, item_tokens, text.entity_items[entities[-1]])
        part_a, num_tokens = row.part_a, len(row.token_ids)
        labels, trie_nodes = [IGNORED_LABEL] * num_tokens, [WHOLE_VOCABULARY] * num_tokens
        item_targets = [NO_ITEM] * num_tokens
        for number, (entity, place) in enumerate(zip(entities, row.start_places, strict=True)):
            is_last = number == len(entities) - 1
            if only_last and not is_last:
                continue
            item_targets[place] = row.items[number]
            if with_tokens or is_last:
                start, end = text.entity_starts[entity], text.entity_ends[entity]
                chosen = slice(place, place + end - start + 1)
                labels[chosen], trie_nodes[chosen] = self._targets(text, start, end)
        none = len(part_a.token_ids)
        return Example(
            token_ids=part_a.token_ids + row.token_ids,
            inter_position_ids=part_a.inter_position_ids + row.inter_position_ids,
            intra_position_ids=part_a.intra_position_ids + row.intra_position_ids,
            labels=[IGNORED_LABEL] * none + labels,
            trie_nodes=[WHOLE_VOCABULARY] * none + trie_nodes,
            part_a_len=none,
            input_items=part_a.input_items + row.input_items,
            earlier_items=[NO_EARLIER] * none + row.earlier_items,
            item_targets=[NO_ITEM] * none + item_targets,
        )

    def ask(self, task: TaskText) -> Example:
        """Return the supervised example of a question: its answer is the only span."""
        return self.lay_out(task.text, [task.answer_span], self._special.gmask)

    def lay_out(
        self, text: TokenizedText, spans: Sequence[Span], mask_token: int, order: Sequence[int] | None = None
    ) -> Example:
        """Return the example that hides the given spans, chronological; `order` is theirs in part B if it differs."""
        part_a, mask_positions = corrupt(text, spans, mask_token, self._special, self._objective.intra_mode)
        example = Example(
            token_ids=part_a.token_ids,
            inter_position_ids=part_a.inter_position_ids,
            intra_position_ids=part_a.intra_position_ids,
            labels=[IGNORED_LABEL] * len(part_a.token_ids),
            trie_nodes=[WHOLE_VOCABULARY] * len(part_a.token_ids),
            part_a_len=len(part_a.token_ids),
            input_items=part_a.input_items,
            earlier_items=[NO_EARLIER] * len(part_a.token_ids),
            item_targets=[NO_ITEM] * len(part_a.token_ids),
        )
        previous_item = NO_ITEM
        for index in range(len(spans)) if order is None else order:
            start, end = spans[index]
            hidden = text.token_ids[start:end]
            example.token_ids += [self._special.start, *hidden]
            labels, trie_nodes = self._targets(text, start, end)
            example.labels += labels
            example.trie_nodes += trie_nodes
            example.inter_position_ids += [mask_positions[index]] * (len(hidden) + 1)
            example.intra_position_ids += self._span_intra_ids(text, start, end)
            example.input_items += [previous_item, *input_items_in(text, (start, end))]
            example.earlier_items += [NO_EARLIER] * (len(hidden) + 1)
            previous_item = item_at_end(text, (start, end))
            example.item_targets += item_targets_of(text, (start, end))
        return example

    def _span_intra_ids(self, text: TokenizedText, start: int, end: int) -> list[int]:
        if self._objective.segmentation == "gold":
            return gold_span_ids(start, end, text.entity_starts, text.entity_ends, self._objective.intra_mode)
        return self._automaton.span_ids(text.token_ids[start:end])

    def _targets(self, text: TokenizedText, start: int, end: int) -> tuple[list[int], list[int]]:
        """Return the labels of a span and the trie node at which each is chosen."""
        labels = [*text.token_ids[start:end], self._special.end]
        nodes = [WHOLE_VOCABULARY] * len(labels)
        if self._paths is None:
            return labels, nodes
        first = bisect.bisect_left(text.entity_starts, start)
        for entity in range(first, len(text.entity_starts)):
            entity_start, entity_end = text.entity_starts[entity] - start, text.entity_ends[entity] - start
            if entity_end > end - start:
                break
            if text.entity_items[entity] < 0:
                continue
            path = self._paths.of(text.entity_items[entity])
            # [E] directly after the item is the trie's own last choice; any other text after it is not
            stop = entity_end + 1 if entity_end == end - start else entity_end
            for place, node in zip(range(entity_start, stop), path, strict=False):
                if self._objective.item_loss == "lm":
                    nodes[place] = FORCED_TOKEN if node == FORCED else WHOLE_VOCABULARY
                    continue
                nodes[place] = WHOLE_VOCABULARY if node == FORCED else node
                if node == FORCED:
                    labels[place] = IGNORED_LABEL
        return labels, nodes
