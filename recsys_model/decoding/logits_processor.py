"""The item trie for any causal model of transformers: `generate` returns only items.

    trie = build_token_trie(title_token_ids, end=tokenizer.eos_token_id)
    inputs = tokenizer(question, return_tensors="pt")
    generated = model.generate(
        **inputs,
        num_beams=10,
        num_return_sequences=10,
        max_new_tokens=trie.height,
        length_penalty=0.0,
        do_sample=False,
        logits_processor=[TrieLogitsProcessor(trie, inputs["input_ids"].shape[1])],
    )
    items = distinct_items(trie, generated[:, inputs["input_ids"].shape[1] :])

`generate` ranks by log-probability divided by length ** `length_penalty`: only 0.0 ranks by probability. With more beams
than items it fills up with rows that repeat an item or end in none; `distinct_items` drops them.

It replaces `prefix_allowed_tokens_fn`, which calls Python for every beam and builds a dense mask from lists. With a
GLM, and if speed matters, use `recsys_model.decoding.generator`: it also skips tokens without an alternative.

Shape suffixes: B = beams of all requests, T = tokens generated so far, C = tokens allowed after all beams, V =
vocabulary.
"""

import torch
from torch import Tensor
from transformers import LogitsProcessor

from recsys_model.entities.token_trie import TokenTrie
from recsys_model.errors import DataError

OUTSIDE = -1
"""Node of a beam that ended, or whose tokens do not begin any item."""


class TrieLogitsProcessor(LogitsProcessor):
    """Allows only tokens that continue an item; the scores of other tokens become -inf."""

    def __init__(self, trie: TokenTrie, prompt_len: int, *, renormalise: bool = False) -> None:
        """Take the number of tokens before the answer; `renormalise` makes the allowed tokens' probabilities add up to 1."""
        self._trie = trie
        self._prompt_len = prompt_len
        self._renormalise = renormalise
        self._walker: TrieWalker | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores of the next token, [B, V].

        Raises:
            DataError: fewer tokens were given than the prompt has, or the trie has tokens that the model has not.
        """
        if input_ids.shape[1] < self._prompt_len:
            raise DataError(
                f"prompt_len must be at most the {input_ids.shape[1]} given tokens, got {self._prompt_len}; "
                "make a new processor for every prompt length"
            )
        if self._walker is None or self._walker.device != scores.device:
            largest = int(self._trie.labels.max())
            if largest >= scores.shape[1]:
                raise DataError(
                    f"the trie's tokens must be below the model's {scores.shape[1]}, got {largest}; "
                    "make it with the model's own tokenizer"
                )
            self._walker = TrieWalker(self._trie, scores.device)
        row_C, token_C = self._walker.allowed(input_ids[:, self._prompt_len :])
        allowed_BV = torch.full_like(scores, float("-inf"))
        allowed_BV[row_C, token_C] = scores[row_C, token_C]
        return allowed_BV.log_softmax(dim=-1) if self._renormalise else allowed_BV


class TrieWalker:
    """Walks many beams at once down a trie whose arrays lie on a device."""

    def __init__(self, trie: TokenTrie, device: torch.device) -> None:
        self.device = device
        self._label_T = torch.from_numpy(trie.labels).to(device, torch.int64)
        self._label_start_N = torch.from_numpy(trie.label_start).to(device, torch.int64)
        self._first_child_N = torch.from_numpy(trie.first_child).to(device, torch.int64)
        first_token_N = torch.from_numpy(trie.first_tokens()).to(device, torch.int64)
        parent_N = torch.from_numpy(trie.parents).to(device, torch.int64)
        self._base = int(self._label_T.max()) + 1
        # ascending, since nodes are numbered by parent and token
        self._child_key_N = parent_N * self._base + first_token_N
        self._end = int(trie.labels[trie.label_start[trie.leaves()[0] + 1] - 1])

    def allowed(self, token_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return (row, token) of every token that may follow; `[E]` for a beam that ended or left the trie."""
        node_B, place_B = self.walk(token_BT)
        row_B = torch.arange(len(token_BT), device=self.device)
        outside_B = node_B == OUTSIDE
        node_B = node_B.where(~outside_B, 0)
        inside_B = ~outside_B & (place_B < self._label_start_N[node_B + 1])
        at_end_B = ~outside_B & ~inside_B
        first_B = self._first_child_N[node_B]
        count_B = (self._first_child_N[node_B + 1] - first_B).where(at_end_B, 0)
        row_C = torch.repeat_interleave(row_B, count_B)
        shift_B = first_B - (count_B.cumsum(0) - count_B)
        child_C = shift_B[row_C] + torch.arange(len(row_C), device=self.device)
        done_B = outside_B | (at_end_B & (count_B == 0))
        rows = (row_C, row_B[inside_B], row_B[done_B])
        tokens = (
            self._label_T[self._label_start_N[child_C]],
            self._label_T[place_B[inside_B]],
            torch.full_like(row_B[done_B], self._end),
        )
        return torch.cat(rows), torch.cat(tokens)

    def walk(self, token_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return the node that each beam is in, and the place in `labels` of the next token inside its label."""
        node_B = torch.zeros(len(token_BT), dtype=torch.int64, device=self.device)
        place_B = self._label_start_N[node_B]
        for token_B in token_BT.T:
            clamped_B = node_B.clamp(min=0)
            inside_B = place_B < self._label_start_N[clamped_B + 1]
            goes_on_B = inside_B & (self._label_T[place_B.clamp(max=len(self._label_T) - 1)] == token_B)
            key_B = clamped_B * self._base + token_B
            child_B = torch.searchsorted(self._child_key_N, key_B).clamp(max=len(self._child_key_N) - 1)
            enters_B = ~inside_B & (self._child_key_N[child_B] == key_B) & (token_B < self._base)
            next_B = torch.where(goes_on_B, clamped_B, torch.where(enters_B, child_B, OUTSIDE))
            node_B = next_B.where(node_B != OUTSIDE, OUTSIDE)
            place_B = torch.where(goes_on_B, place_B + 1, self._label_start_N[node_B.clamp(min=0)] + 1)
        return node_B, place_B


def trie_items(trie: TokenTrie, token_BT: Tensor) -> list[int | None]:
    """Return the catalogue index of each generated row, None where it did not reach the end of an item.

    >>> from recsys_model.entities.token_trie import build_token_trie
    >>> trie_items(build_token_trie([(4, 7), (4,)], end=9), torch.tensor([[4, 9, 0], [4, 7, 9], [4, 7, 8]]))
    [1, 0, None]
    """
    return [_item(trie, row) for row in token_BT.tolist()]


def distinct_items(trie: TokenTrie, token_BT: Tensor) -> list[int]:
    """Return the catalogue indices of the generated rows of one request, in their order, each once.

    Rows that did not reach the end of an item are left out.

    >>> from recsys_model.entities.token_trie import build_token_trie
    >>> distinct_items(build_token_trie([(4, 7), (4,)], end=9), torch.tensor([[4, 9, 0], [4, 7, 9], [4, 7, 8], [4, 9, 9]]))
    [1, 0]
    """
    return list(dict.fromkeys(item for item in trie_items(trie, token_BT) if item is not None))


def _item(trie: TokenTrie, tokens: list[int]) -> int | None:
    node, place = 0, int(trie.label_start[0])
    for token in tokens:
        if place == trie.label_start[node + 1]:
            choices, children = trie.children(node)
            matches = [int(child) for choice, child in zip(choices, children, strict=True) if choice == token]
            if not matches:
                return None
            node = matches[0]
            place = int(trie.label_start[node])
        if trie.labels[place] != token:
            return None
        place += 1
        if place == trie.label_start[node + 1] and (item := trie.leaf_item(node)) is not None:
            return item
    return None
