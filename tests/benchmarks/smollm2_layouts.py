"""Build examples and prompts in two layouts: entity-aware blank infilling, or an ordinary question.

Both layouts use the same tokens per item, the same loss and the same search. They differ in the layout, in the intra
position ids and in the hidden tokens.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from recsys_model.config import ObjectiveConfig, TextConfig
from recsys_model.entities.catalog import Catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.example import IGNORED_LABEL, WHOLE_VOCABULARY, Example, ExampleBuilder
from recsys_model.infilling.item_paths import FORCED, ItemPaths
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens, Tokenizer
from tests.recsys_model.decoding.plain_prompt import plain_prompt

OPENING = "user\nThese are the products that a customer bought, in this order:"
QUESTION = "\nWhich product does the customer buy next? Answer with its title."
ANSWER = "assistant\nNext product:"


class Layout(Protocol):
    """Turns histories, as catalogue indices, into token ids."""

    special: SpecialTokens
    """What the search starts from and ends with."""

    def example(self, history: Sequence[int], target: int, rng: np.random.Generator) -> Example:
        """Return a training example."""
        ...

    def prompt(self, history: Sequence[int]) -> Prompt:
        """Return what the model is asked."""
        ...


class InfillingLayout:
    """RecSysLLM: whole entities are hidden, and the next item is a blank behind the history."""

    def __init__(self, tokenizer: Tokenizer, catalog: Catalog, text: TextConfig, objective: ObjectiveConfig) -> None:
        self.special = tokenizer.special
        self._intra_mode = objective.intra_mode
        self._textualizer = Textualizer(tokenizer, catalog, text)
        trie = build_token_trie([item.token_ids for item in catalog.items], self.special.end)
        automaton = PositionAutomaton(catalog.pool(), objective.intra_mode)
        self._builder = ExampleBuilder(objective, self.special, automaton, trie)

    def example(self, history: Sequence[int], target: int, rng: np.random.Generator) -> Example:
        """Draw an objective and hide its spans."""
        return self._builder.draw(self._text(history, target), rng)

    def prompt(self, history: Sequence[int]) -> Prompt:
        """Return part A with one blank at its end."""
        return build_prompt(self._text(history), self.special, self._intra_mode)

    def _text(self, history: Sequence[int], target: int | None = None) -> TokenizedText:
        behaviours = [Behaviour(item=item, timestamp=float(place)) for place, item in enumerate(history)]
        return self._textualizer.build({}, behaviours, target)


class QuestionLayout:
    """Plain supervised fine-tuning: the model's own chat format, the target title behind it, position ids as ever.

    Each token of the title is a target over the whole vocabulary; with `item_loss: trie`, as in `ObjectiveConfig`.
    """

    def __init__(self, tokenizer: Tokenizer, catalog: Catalog, text: TextConfig, item_loss: str = "lm") -> None:
        begin, end = tokenizer.special.cls, tokenizer.special.eos
        assert begin is not None, "an instruct model has a token that begins a message"
        assert end is not None, "an instruct model has a token that ends a message"
        self._catalog = catalog
        self._stop = tokenizer.encode_text(".")
        self._opening = [begin, *tokenizer.encode_text(OPENING)]
        self._closing = [*tokenizer.encode_text(QUESTION), end, *tokenizer.encode_text("\n")]
        self._closing += [begin, *tokenizer.encode_text(ANSWER)]
        # the search feeds the last token of the question where it would feed [S]
        self.special = dataclasses.replace(tokenizer.special, start=self._closing[-1], end=end)
        self._room = text.max_tokens
        trie = build_token_trie([item.token_ids for item in catalog.items], end)
        self._paths = ItemPaths(trie) if item_loss == "trie" else None

    def example(self, history: Sequence[int], target: int, rng: np.random.Generator) -> Example:
        """Return question and answer; only the answer is a target."""
        question, answer = self._question(history), self._catalog.items[target].token_ids
        token_ids = [*question, *answer]
        labels, nodes = [*answer, self.special.end], [WHOLE_VOCABULARY] * (len(answer) + 1)
        if self._paths is not None:
            path = self._paths.of(target)
            nodes = [WHOLE_VOCABULARY if node == FORCED else node for node in path]
            labels = [IGNORED_LABEL if node == FORCED else label for label, node in zip(labels, path, strict=True)]
        before = len(question) - 1
        return Example(
            token_ids=token_ids,
            inter_position_ids=list(range(len(token_ids))),
            intra_position_ids=[0] * len(token_ids),
            labels=[IGNORED_LABEL] * before + labels,
            trie_nodes=[WHOLE_VOCABULARY] * before + nodes,
            part_a_len=len(question),
            input_items=[NO_ITEM] * len(token_ids),
            earlier_items=[NO_EARLIER] * len(token_ids),
            item_targets=[NO_ITEM] * len(token_ids),
        )

    def prompt(self, history: Sequence[int]) -> Prompt:
        """Return the question without its last token."""
        question = self._question(history)[:-1]
        return plain_prompt(question, [0] * len(question), len(question) - 1)

    def _question(self, history: Sequence[int]) -> list[int]:
        history_tokens: list[int] = []
        for item in reversed(history):
            sentence = [*self._catalog.items[item].token_ids, *self._stop]
            if len(history_tokens) + len(sentence) > self._room:
                break
            history_tokens = [*sentence, *history_tokens]
        return [*self._opening, *history_tokens, *self._closing]
