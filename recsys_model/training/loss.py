"""Cross-entropy over the targets of part B, and nothing else (paper, equation 1).

A target is normalised over the vocabulary, or, with `item_loss: trie`, over the tokens that the
catalogue allows there, which is what decoding does. A model with an entity head also predicts each
item that begins in part B as a whole.

Shape suffixes: B = rows, T = tokens, N = targets, D = hidden size, V = vocabulary, R = children of the
root, M = children of the nodes of all targets, one after the other.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import Attention, Backbone, FullAttention
from recsys_model.backbones.packed import packed_attention
from recsys_model.config import ObjectiveConfig
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.entity_head.cross_entropy import RepeatedItems, item_cross_entropy
from recsys_model.entity_head.head import EntityHead, ItemTerms
from recsys_model.entity_head.sampling import SampledItems, sample_items
from recsys_model.infilling.batch import Batch
from recsys_model.infilling.example import FORCED_TOKEN, IGNORED_LABEL
from recsys_model.infilling.history_items import HistoryItems
from recsys_model.infilling.item_places import NO_ITEM

ROOT = 0


class LossSums(NamedTuple):
    """The two losses of a batch, each summed over its targets; float32, or float64 for such a model.

    A tuple, because DeepSpeed's ZeRO 3 looks for tensors in what a module returns.
    """

    token: Tensor
    """Over the `num_targets` tokens."""
    entity: Tensor
    """Over the `num_item_targets` items; 0 without an entity head."""


class InfillingLoss(nn.Module):
    """A backbone, or one wrapped by peft, and its entity head with the loss inside: engines see one forward pass."""

    trie_tokens: Tensor
    trie_first_child: Tensor
    item_shares: Tensor

    def __init__(
        self,
        model: nn.Module,
        trie: TokenTrie,
        objective: ObjectiveConfig | None = None,
        head: EntityHead | None = None,
        item_shares: Tensor | None = None,
    ) -> None:
        """Take the share of each item among all targets of the training where the head samples its softmax."""
        super().__init__()
        self.model = model
        self.head = head
        self._objective = objective or ObjectiveConfig()
        self.register_buffer("trie_tokens", torch.from_numpy(trie.first_tokens()).long(), persistent=False)
        self.register_buffer("trie_first_child", torch.from_numpy(trie.first_child).long(), persistent=False)
        self.register_buffer("item_shares", item_shares, persistent=False)

    def forward(self, batch: Batch, seen: Sequence[Tensor] | None = None) -> LossSums | Tensor:
        """Return both losses of a batch, or, given `seen`, the rank of each of its item targets, [N].

        Ranks are among all items but those of `seen`, one tensor of catalogue indices a target; 1 is the best, and
        the target loses every tie.
        """
        target_N = batch.item_targets[batch.item_targets != NO_ITEM]
        sampled = self._sample(target_N) if seen is None else None
        terms = self._item_terms(batch, sampled)
        hidden_BTD = self._states(batch, terms)
        if seen is not None:
            return self._ranks(hidden_BTD, batch, terms, seen)
        token, entity = self._token_loss(hidden_BTD, batch), hidden_BTD.new_zeros((), dtype=_wide_type(hidden_BTD))
        if terms is not None:
            entity = item_cross_entropy(
                hidden_BTD[batch.item_targets != NO_ITEM],
                terms.vectors,
                terms.biases,
                target_N if sampled is None else sampled.places,
                temperature=self._temperature,
                log_shares_K=None if sampled is None else sampled.log_shares,
                repeat_bias=terms.repeat_bias,
                repeated=_repeated_items(batch.history, None if sampled is None else sampled.items),
            )
        return LossSums(token, entity)

    def _sample(self, target_N: Tensor) -> SampledItems | None:
        """Return the sampled items of the softmax, None for all items."""
        if self.head is None or self.head.config.negatives == 0 or not self.training or not len(target_N):
            return None
        return sample_items(target_N, self.head.config.negatives, self.item_shares)

    def _item_terms(self, batch: Batch, sampled: SampledItems | None) -> ItemTerms | None:
        if self.head is None:
            return None
        carries_item_BT = batch.input_items != NO_ITEM
        inputs_X, earlier_XE = batch.input_items[carries_item_BT], batch.earlier_items[carries_item_BT]
        return self.head(self._backbone, None if sampled is None else sampled.items, inputs_X, earlier_XE)

    def _states(self, batch: Batch, terms: ItemTerms | None) -> Tensor:
        """Return the state of every token, [B, T, D]."""
        added_BTD = None
        if terms is not None and terms.inputs is not None:
            added_BTD = terms.inputs.new_zeros((*batch.token_ids.shape, terms.inputs.shape[1]))
            added_BTD = added_BTD.index_put((batch.input_items != NO_ITEM,), terms.inputs)
        ids = (batch.token_ids, batch.inter_position_ids, batch.intra_position_ids)
        return self.model(*ids, self._attention(batch), added_BTD)

    def _token_loss(self, hidden_BTD: Tensor, batch: Batch) -> Tensor:
        if self._objective.token_loss_weight == 0.0:
            return hidden_BTD.new_zeros((), dtype=_wide_type(hidden_BTD))
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

    def _ranks(self, hidden_BTD: Tensor, batch: Batch, terms: ItemTerms | None, seen: Sequence[Tensor]) -> Tensor:
        assert terms is not None, "only a model with an entity head ranks whole items"
        is_target_BT = batch.item_targets != NO_ITEM
        target_N = batch.item_targets[is_target_BT]
        hidden_ND = hidden_BTD[is_target_BT].float()
        score_NI = torch.addmm(terms.biases.float(), hidden_ND / self._temperature, terms.vectors.float().T)
        if terms.repeat_bias is not None:
            score_NI[batch.history.targets, batch.history.items] += terms.repeat_bias.float()
        best_N1 = score_NI.gather(1, target_N[:, None])
        for row, items in enumerate(seen):
            score_NI[row, items] = -torch.inf
        score_NI.scatter_(1, target_N[:, None], best_N1)
        return (score_NI >= best_N1).sum(dim=1)

    @property
    def _temperature(self) -> float:
        return 1.0 if self.head is None else self.head.temperature

    def _attention(self, batch: Batch) -> Attention:
        """Return an attention in which every token sees its own example alone."""
        if batch.segments is None:
            return FullAttention(self._backbone.visible(batch.part_a_lens, batch.token_ids.shape[1]))
        return packed_attention(batch.segments, part_a_is_causal=self._backbone.part_a_is_causal)

    def _whole_vocabulary(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        logits_NV = self._backbone.logits(hidden_ND)
        weight = self._objective.forced_token_weight
        if weight == 1.0:
            return functional.cross_entropy(_wide(logits_NV), label_N, reduction="sum")
        loss_N = functional.cross_entropy(_wide(logits_NV), label_N, reduction="none")
        return torch.where(node_N == FORCED_TOKEN, weight * loss_N, loss_N).sum()

    def _root_children(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        """Project on the tokens that items begin with; they are sorted, so a label is found by bisection."""
        del node_N
        token_R = self.trie_tokens[self.trie_first_child[ROOT] : self.trie_first_child[ROOT + 1]]
        rows_RD = self._backbone.output_rows(token_R)
        place_N = torch.searchsorted(token_R, label_N)
        return item_cross_entropy(hidden_ND, rows_RD, None, place_N, temperature=self._objective.trie_temperature)

    def _children(self, hidden_ND: Tensor, label_N: Tensor, node_N: Tensor) -> Tensor:
        """Score only the children of each target's node."""
        first_N = self.trie_first_child[node_N]
        count_N = self.trie_first_child[node_N + 1] - first_N
        target_M = torch.repeat_interleave(torch.arange(len(node_N), device=node_N.device), count_N)
        place_M = torch.arange(len(target_M), device=node_N.device) - (count_N.cumsum(0) - count_N)[target_M]
        token_M = self.trie_tokens[first_N[target_M] + place_M]
        score_M = _wide((hidden_ND[target_M] * self._backbone.output_rows(token_M)).sum(-1))
        score_M = score_M / self._objective.trie_temperature
        largest_N = score_M.new_full(node_N.shape, -torch.inf)
        largest_N = largest_N.scatter_reduce(0, target_M, score_M.detach(), "amax")
        total_N = score_M.new_zeros(node_N.shape).index_add(0, target_M, (score_M - largest_N[target_M]).exp())
        is_label_M = token_M == label_N[target_M]
        return (total_N.log() + largest_N).sum() - score_M[is_label_M].sum()

    @property
    def _backbone(self) -> Backbone:
        """The backbone; the wrapper of peft forwards all its attributes."""
        return cast(Backbone, self.model)


def _repeated_items(history: HistoryItems, scored_K: Tensor | None) -> RepeatedItems:
    """Find the items of the histories among the scored ones, which are ascending; None scores the whole catalogue."""
    if scored_K is None:
        every_X = torch.ones_like(history.items, dtype=torch.float32)
        return RepeatedItems(history.targets, history.items, every_X, history.starts)
    place_X = torch.searchsorted(scored_K, history.items).clamp(max=len(scored_K) - 1)
    is_scored_X = (scored_K[place_X] == history.items).float()
    return RepeatedItems(history.targets, place_X, is_scored_X, history.starts)


def _wide(logits_X: Tensor) -> Tensor:
    """Convert half precision to float32, in which a softmax is summed; float64 stays."""
    return logits_X.to(_wide_type(logits_X))


def _wide_type(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
