"""The walk to one item: every token with its log-probability, and the children at every branch.

The item is known, so one pass over its tokens gives all states of the walk.

Shape suffixes: Q = T = tokens of the item and `[S]`, C = children of a branch, D = hidden size, N = nodes of the trie.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.expansion import SearchSpace
from recsys_model.decoding.explanation import Branch, BranchChild, PositionedToken, WalkToken
from recsys_model.decoding.prompts import Starts
from recsys_model.decoding.scoring import ChildScorer, target_log_probs
from recsys_model.infilling.prompt import Prompt

TokenText = Callable[[Sequence[int]], str]
"""Returns the text of token ids."""


class Walker:
    """Walks to items of one search space."""

    def __init__(self, space: SearchSpace, token_text: TokenText) -> None:
        self._space = space
        self._text = token_text
        scoring = "lm" if space.scoring == "lm" else "trie"
        self._scorer = ChildScorer(space.model, space.trie, scoring, space.temperature)

    def states(self, prompt: Prompt, item: int) -> Tensor:
        """Return the states behind `[S]` and each token of an item that is present, which predict the next one, [T, D].

        Raises:
            ConfigError: the prompt is too long for the model.
        """
        space, device = self._space, self._space.model.device
        token_Q = torch.tensor([[space.special.start, *self.tokens_of(item)[:-1]]], device=device)
        cache = BeamCache(space.encode([prompt]))
        root_RW = torch.zeros((1, 1), dtype=torch.int64, device=device)
        cache.advance(root_RW, torch.full_like(root_RW, token_Q.shape[1]))
        starts = Starts([prompt], device, space.vectors)
        intra_Q = torch.arange(1, token_Q.shape[1] + 1, device=device)[None]
        inter_Q = starts.inter_R[:, None].expand_as(token_Q)
        added_QD = starts.added_at(root_RW[0], token_Q.shape[1])
        return space.model.hidden_states(token_Q, inter_Q, intra_Q, cache, added_QD)[0]

    def tokens_of(self, item: int) -> list[int]:
        """Return the tokens of an item that is present, `[E]` included."""
        return self._space.trie.path(self._path_to(item)[-1])

    def tokens(self, prompt: Prompt, item: int, hidden_TD: Tensor) -> tuple[WalkToken, ...]:
        """Return the tokens of an item; `hidden_TD` are its states."""
        token_ids = self.tokens_of(item)
        log_probs = self._token_log_probs(item, hidden_TD)
        walked = []
        for place, (token, log_prob) in enumerate(zip(token_ids, log_probs, strict=True)):
            is_end = place == len(token_ids) - 1
            walked.append(
                WalkToken(
                    token_id=token,
                    text=self._text([token]),
                    # `[S]` has intra position id 1
                    inter_position_id=None if is_end else prompt.mask_position,
                    intra_position_id=None if is_end else place + 2,
                    log_prob=log_prob,
                )
            )
        return tuple(walked)

    def branches(
        self, item: int, hidden_TD: Tensor, item_log_prob_N: Tensor | None, max_children: int
    ) -> tuple[Branch, ...]:
        """Return the branches on the way to an item.

        Args:
            item: Its catalogue index.
            hidden_TD: Its states.
            item_log_prob_N: What the entity head gives each node as a share of its parent, if there is a head.
            max_children: Children that are listed at each branch, besides the one on the path.
        """
        trie, path = self._space.trie, self._path_to(item)
        branches = []
        for node, following in itertools.pairwise(path):
            num_tokens = int(trie.depths[node]) + len(trie.label(node))
            nodes, log_prob_C = self._children(node, hidden_TD[num_tokens])
            order = log_prob_C.argsort(descending=True, stable=True).tolist()
            listed = [place for rank, place in enumerate(order) if rank < max_children or nodes[place] == following]
            children = tuple(
                self._child(nodes[place], float(log_prob_C[place]), following, item_log_prob_N) for place in listed
            )
            branches.append(Branch(num_tokens=num_tokens, num_children=len(nodes), children=children))
        return tuple(branches)

    def prompt_tokens(self, prompt: Prompt) -> tuple[PositionedToken, ...]:
        """Return the tokens of a prompt, and the `[S]` behind it."""
        columns = (prompt.token_ids, prompt.inter_position_ids, prompt.intra_position_ids)
        rows = [*zip(*columns, strict=True), (self._space.special.start, prompt.mask_position, 1)]
        return tuple(
            PositionedToken(token_id=token, text=self._text([token]), inter_position_id=inter, intra_position_id=intra)
            for token, inter, intra in rows
        )

    def _child(self, node: int, log_prob: float, following: int, item_log_prob_N: Tensor | None) -> BranchChild:
        trie = self._space.trie
        label = trie.label(node).tolist()
        return BranchChild(
            token_ids=tuple(label),
            text=self._text(label),
            num_items=int(trie.item_end[node] - trie.item_start[node]),
            probability=float(torch.tensor(log_prob).exp()),
            item_probability=None if item_log_prob_N is None else float(item_log_prob_N[node].exp()),
            is_on_path=node == following,
        )

    def _children(self, node: int, hidden_D: Tensor) -> tuple[list[int], Tensor]:
        children = self._scorer.expand(torch.tensor([node], device=hidden_D.device))
        return children.nodes.tolist(), self._scorer.log_probs(hidden_D[None], children)

    def _token_log_probs(self, item: int, hidden_TD: Tensor) -> list[float]:
        """Return what each token of an item adds to its token score."""
        token_ids = self.tokens_of(item)
        if self._space.scoring == "lm":
            targets = torch.tensor(token_ids, device=hidden_TD.device)
            return target_log_probs(self._space.model, hidden_TD, targets).tolist()
        log_probs = [0.0] * len(token_ids)
        trie, path = self._space.trie, self._path_to(item)
        for node, following in itertools.pairwise(path):
            num_tokens = int(trie.depths[node]) + len(trie.label(node))
            nodes, log_prob_C = self._children(node, hidden_TD[num_tokens])
            log_probs[num_tokens] = float(log_prob_C[nodes.index(following)])
        return log_probs

    def _path_to(self, item: int) -> list[int]:
        """Return the nodes from the root to the leaf of an item."""
        (row,) = self._space.lists.rows_of([item]).tolist()
        trie, path = self._space.trie, [0]
        while trie.leaf_item(path[-1]) is None:
            nodes = trie.children(path[-1])[1]
            path.append(int(nodes[trie.item_end[nodes] > row][0]))
        return path
