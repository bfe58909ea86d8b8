"""One blank-infilling example: part A, the text with its blanks, and part B, what was hidden.

Part A is bidirectional. Part B holds the spans in chronological order, never shuffled, each as
`[S] span` on the input side and `span [E]` on the target side; it sees part A and its own past
(paper, Training Phase).
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_model.config import ObjectiveConfig
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.infilling.masking import (
    Span,
    document_level_span,
    entity_level_spans,
    next_item_cut,
    sentence_level_spans,
)
from recsys_model.infilling.positions import IntraMode, PositionAutomaton, part_a_intra_ids
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

IGNORED_LABEL = -100
WHOLE_VOCABULARY = -1
"""Stands in `trie_nodes` for a target that is normalised over the whole vocabulary."""
OBJECTIVES = ("entity", "sentence", "document", "next_item")


@dataclass(slots=True)
class PartA:
    """A corrupted text, framed by `[CLS]` and `[EOS]` where the tokenizer has them."""

    token_ids: list[int]
    """The tokens; every span is one mask token."""
    inter_position_ids: list[int]
    """0, 1, 2, ..."""
    intra_position_ids: list[int]
    """1..n inside entities, 0 elsewhere."""
    mask_position: int
    """Index of the last mask token: the inter position id of what is generated for it."""


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


def build_prompt(text: TokenizedText, special: SpecialTokens, intra_mode: IntraMode = "paper") -> PartA:
    """Return part A of a request: the text and one `[gMASK]` at its end as the only blank."""
    end = len(text)
    part_a, _ = corrupt(text, [(end, end)], special.gmask, special, intra_mode)
    return part_a


def corrupt(
    text: TokenizedText, spans: Sequence[Span], mask_token: int, special: SpecialTokens, intra_mode: IntraMode
) -> tuple[PartA, list[int]]:
    """Replace each span by one mask token; also return the position of each mask token in part A."""
    intra_T = part_a_intra_ids(len(text), text.entity_starts, text.entity_ends, intra_mode)
    token_ids = [] if special.cls is None else [special.cls]
    intra_ids = [0] * len(token_ids)
    mask_positions: list[int] = []
    kept_from = 0
    for start, end in spans:
        token_ids += text.token_ids[kept_from:start]
        intra_ids += intra_T[kept_from:start]
        mask_positions.append(len(token_ids))
        token_ids.append(mask_token)
        intra_ids.append(0)
        kept_from = end
    end = [] if special.eos is None else [special.eos]
    token_ids += [*text.token_ids[kept_from:], *end]
    intra_ids += [*intra_T[kept_from:], *[0] * len(end)]
    part_a = PartA(token_ids, list(range(len(token_ids))), intra_ids, mask_positions[-1])
    return part_a, mask_positions


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
        self._paths = ItemPaths(trie) if objective.item_loss == "trie" else None
        weights = np.array([getattr(objective, f"{name}_weight") for name in OBJECTIVES])
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, text: TokenizedText, rng: np.random.Generator) -> Example:
        """Return a new example of the text with spans drawn from `rng`."""
        choice = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        name = OBJECTIVES[min(choice, len(OBJECTIVES) - 1)]
        if name == "entity":
            return self.lay_out(text, entity_level_spans(text, self._objective, rng), self._special.mask)
        if name == "sentence":
            return self.lay_out(text, sentence_level_spans(text, self._objective, rng), self._special.smask)
        if name == "document":
            return self.lay_out(text, document_level_span(text, self._objective, rng), self._special.gmask)
        return self.ask_for_item(text, next_item_cut(text, self._objective, rng))

    def ask_for_item(self, text: TokenizedText, entity: int) -> Example:
        """Return the supervised example: what stands before an entity as the prompt, the entity as the answer."""
        prompt = text.before(entity)
        span = (len(prompt), text.entity_ends[entity])
        prompt.add_entity(text.token_ids[slice(*span)], text.entity_items[entity])
        return self.lay_out(prompt, [span], self._special.gmask)

    def lay_out(self, text: TokenizedText, spans: Sequence[Span], mask_token: int) -> Example:
        """Return the example that hides the given spans."""
        part_a, mask_positions = corrupt(text, spans, mask_token, self._special, self._objective.intra_mode)
        example = Example(
            token_ids=part_a.token_ids,
            inter_position_ids=part_a.inter_position_ids,
            intra_position_ids=part_a.intra_position_ids,
            labels=[IGNORED_LABEL] * len(part_a.token_ids),
            trie_nodes=[WHOLE_VOCABULARY] * len(part_a.token_ids),
            part_a_len=len(part_a.token_ids),
        )
        for (start, end), mask_position in zip(spans, mask_positions, strict=True):
            hidden = text.token_ids[start:end]
            example.token_ids += [self._special.start, *hidden]
            labels, trie_nodes = self._targets(text, start, end)
            example.labels += labels
            example.trie_nodes += trie_nodes
            example.inter_position_ids += [mask_position] * (len(hidden) + 1)
            example.intra_position_ids += self._automaton.span_ids(hidden)
        return example

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
            path, is_forced = self._paths.of(text.entity_items[entity])
            # [E] directly after the item is the trie's own last choice; any other text after it is not
            stop = entity_end + 1 if entity_end == end - start else entity_end
            for place, node, forced in zip(range(entity_start, stop), path, is_forced, strict=False):
                nodes[place] = node
                if forced:
                    labels[place] = IGNORED_LABEL
        return labels, nodes


class ItemPaths:
    """The trie nodes on the way to each item, found once and kept."""

    def __init__(self, trie: TokenTrie) -> None:
        self._trie = trie
        self._item_to_leaf = {int(trie.items[trie.item_start[leaf]]): int(leaf) for leaf in trie.leaves()}
        self._item_to_path: dict[int, tuple[list[int], list[bool]]] = {}

    def of(self, item: int) -> tuple[list[int], list[bool]]:
        """Return the nodes at which each token of the item, and `[E]`, is chosen, and whether there is no choice."""
        found = self._item_to_path.get(item)
        if found is None:
            nodes: list[int] = []
            node = int(self._trie.parents[self._item_to_leaf[item]])
            while node >= 0:
                nodes.append(node)
                node = int(self._trie.parents[node])
            nodes.reverse()
            forced = [int(self._trie.first_child[node + 1] - self._trie.first_child[node]) == 1 for node in nodes]
            found = self._item_to_path[item] = (nodes, forced)
        return found
