"""Cross-entropy over the targets of part B, and nothing else (paper, equation 1).

A target is normalised over the vocabulary, or, with `item_loss: trie`, over the tokens that the
catalogue allows there, which is what decoding does.

Shape suffixes: B = rows, T = tokens, N = targets, D = hidden size, V = vocabulary, R = children of the
root, M = children of the nodes of all targets, one after the other.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import Attention, Backbone, FullAttention
from recsys_model.backbones.packed import packed_attention
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.infilling.batch import Batch
from recsys_model.infilling.example import IGNORED_LABEL

ROOT = 0


class InfillingLoss(nn.Module):
    """A backbone, or one wrapped by peft, with the loss inside, so that engines see a single forward pass."""

    trie_tokens: Tensor
    trie_first_child: Tensor

    def __init__(self, model: nn.Module, trie: TokenTrie) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("trie_tokens", torch.from_numpy(trie.first_tokens()).long(), persistent=False)
        self.register_buffer("trie_first_child", torch.from_numpy(trie.first_child).long(), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss summed over the `batch.num_targets` targets, in float32, or float64 for such a model."""
        attention = self._attention(batch)
        hidden_BTD = self.model(batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, attention)
        is_target_BT = batch.labels != IGNORED_LABEL
        groups = (
            (is_target_BT & (batch.trie_nodes < ROOT), self._whole_vocabulary),
            (is_target_BT & (batch.trie_nodes == ROOT), self._root_children),
            (is_target_BT & (batch.trie_nodes > ROOT), self._children),
        )
        losses = [
            compute(hidden_BTD[chosen_BT], batch.labels[chosen_BT], batch.trie_nodes[chosen_BT])
            for chosen_BT, compute in groups
        ]
        return torch.stack(losses).sum()

    def _attention(self, batch: Batch) -> Attention:
        """Return what lets every token see its own example alone."""
        if batch.segments is None:
            return FullAttention(self._backbone.visible(batch.part_a_lens, batch.token_ids.shape[1]))
        return packed_attention(batch.segments, part_a_is_causal=self._backbone.part_a_is_causal)

    def _whole_vocabulary(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        del node_N
        logits_NV = self._backbone.logits(hidden_ND)
        return functional.cross_entropy(_wide(logits_NV), label_N, reduction="sum")

    def _root_children(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        """Project on the tokens that items begin with; they are sorted, so a label is found by bisection."""
        del node_N
        token_R = self.trie_tokens[self.trie_first_child[ROOT] : self.trie_first_child[ROOT + 1]]
        logits_NR = functional.linear(hidden_ND, self._backbone.output_rows(token_R))
        return functional.cross_entropy(_wide(logits_NR), torch.searchsorted(token_R, label_N), reduction="sum")

    def _children(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        """Score only the children of each target's node."""
        first_N = self.trie_first_child[node_N]
        count_N = self.trie_first_child[node_N + 1] - first_N
        target_M = torch.repeat_interleave(torch.arange(len(node_N), device=node_N.device), count_N)
        place_M = torch.arange(len(target_M), device=node_N.device) - (count_N.cumsum(0) - count_N)[target_M]
        token_M = self.trie_tokens[first_N[target_M] + place_M]
        score_M = _wide((hidden_ND[target_M] * self._backbone.output_rows(token_M)).sum(-1))
        largest_N = score_M.new_full(node_N.shape, -torch.inf)
        largest_N = largest_N.scatter_reduce(0, target_M, score_M.detach(), "amax")
        total_N = score_M.new_zeros(node_N.shape).index_add(0, target_M, (score_M - largest_N[target_M]).exp())
        is_label_M = token_M == label_N[target_M]
        return (total_N.log() + largest_N).sum() - score_M[is_label_M].sum()

    @property
    def _backbone(self) -> Backbone:
        """What peft passes all names on to that it does not know itself."""
        return cast(Backbone, self.model)


def _wide(logits_X: Tensor) -> Tensor:
    """Convert half precision to float32, in which a softmax is summed; float64 stays."""
    return logits_X.to(torch.promote_types(logits_X.dtype, torch.float32))
