"""Build the prompts of requests for a published decoder: everything but the last token is part A.

A search feeds one token of its own first, `[S]`. Here that is the last token of the prompt, so it must be the same for
all histories.
"""

from collections.abc import Sequence

from recsys_model.errors import ConfigError
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.prompt import Prompt
from recsys_model.semantic_ids.checkpoint import PublishedCheckpoint
from recsys_model.semantic_ids.index import SemanticIndex
from recsys_model.semantic_ids.published_format import PublishedFormat

MIN_TOKENS = 2
"""Tokens of the shortest prompt: part A and the last token."""
History = Sequence[tuple[int, ...]]
"""The items that each name of a history stands for; they share one semantic id."""


class PromptBuilder:
    """Writes histories as the project's prompt and tokenises them."""

    def __init__(
        self, index: SemanticIndex, checkpoint: PublishedCheckpoint, form: PublishedFormat, answer_len: int
    ) -> None:
        """Take the number of tokens of the longest answer.

        Raises:
            ConfigError: the last token of a prompt depends on the history.
        """
        self._index = index
        self._checkpoint = checkpoint
        self._form = form
        self._answer_len = answer_len
        empty, one = self._encode([(), ((0,),)])
        if len(empty) < MIN_TOKENS:
            raise ConfigError(
                f"template and begin must have at least 2 tokens without a history, got {form.template!r} and {form.begin!r}"
            )
        if empty[-1] != one[-1]:
            raise ConfigError(
                f"each prompt must end with the same token; with template {form.template!r} and begin {form.begin!r} the "
                "last token depends on the history, so put more fixed text into begin"
            )
        self.last_token = empty[-1]
        """The token that the model continues."""

    def num_used(self, history: History) -> int:
        """Return how many items of a history the prompt holds."""
        return min(len(history), self._form.max_history or len(history))

    def build(self, histories: Sequence[History]) -> list[Prompt]:
        """Return the prompts of histories.

        Raises:
            ConfigError: a prompt and its answer are longer than the model's positions.
        """
        rows = self._encode(histories)
        room = self._checkpoint.model.config.max_sequence_length - self._answer_len
        for history, row in zip(histories, rows, strict=True):
            if len(row) > room:
                raise ConfigError(
                    f"a prompt must have at most {room} tokens, since the model has {room + self._answer_len} positions; a "
                    f"history of {self.num_used(history)} items needs {len(row)}; set max_history to a smaller number"
                )
            assert row[-1] == self.last_token, "a prompt ends as the prompt of an empty history does"
        return [_prompt(row[:-1], self._answer_len) for row in rows]

    def _encode(self, histories: Sequence[History]) -> list[list[int]]:
        texts = [self._form.write_prompt([self._index.text_of(items[0]) for items in history]) for history in histories]
        return self._checkpoint.tokenizer.encode_prompts(texts)


def _prompt(token_ids: list[int], answer_len: int) -> Prompt:
    """Return part A of a decoder without an intra table, which counts its positions itself."""
    size = len(token_ids)
    return Prompt(
        token_ids=token_ids,
        inter_position_ids=[0] * size,
        intra_position_ids=[0] * size,
        mask_position=size + answer_len - 1,
        part_a_len=size,
        input_items=[NO_ITEM] * size,
        earlier_items=[NO_EARLIER] * size,
        last_item=NO_ITEM,
        items_before_last=NO_EARLIER,
        history=(),
    )
