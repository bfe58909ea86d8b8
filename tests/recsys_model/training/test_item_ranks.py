"""Ranks of whole items by the entity head against a loop over the items that were not seen."""

import pytest
import torch

from recsys_model.config import ObjectiveConfig
from recsys_model.infilling.batch import Batch, pack_examples, pad_examples
from recsys_model.training.loss import InfillingLoss
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone
from tests.recsys_model.training.tiny_entity_loss import (
    SPECIAL,
    TRIE,
    examples_of,
    naive_scores,
    naive_states,
    random_head,
)


def rank_by_loops(scores: list[float], target: int, seen: set[int]) -> int:
    """The place of the target among items that were not seen, behind all that score alike."""
    rivals = [item for item in range(len(scores)) if item != target and item not in seen]
    return 1 + sum(scores[item] >= scores[target] for item in rivals)


@pytest.mark.parametrize("all_tie", [False, True])
@pytest.mark.parametrize("is_packed", [False, True])
def test_ranks_are_those_of_a_loop_over_items_that_were_not_seen(all_tie: bool, is_packed: bool) -> None:
    model, head = tiny_backbone("glm"), random_head().float()
    if all_tie:
        for parameter in head.parameters():
            parameter.data.zero_()
        head.biases.data[:] = torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0])
    examples = examples_of(ObjectiveConfig())
    padded = pad_examples(examples, SPECIAL.pad)
    batch = pack_examples(examples, SPECIAL.pad, 24) if is_packed else padded
    hidden, vectors = naive_states(model.double(), head.double(), padded)
    scores_of = {
        (int(padded.item_targets[row, place]), row): naive_scores(head, padded, hidden, vectors, row, place)
        for row, place in (padded.item_targets >= 0).nonzero().tolist()
    }
    every_seen: list[set[int]] = [set(), {0, 3}, {1}, {0, 1, 2, 3, 4}, {4}, {2, 4}, set(), {0}, {0, 4}, {0, 3, 4}, {2}]
    ranks = InfillingLoss(model.float(), TRIE, ObjectiveConfig(), head.float()).eval()(
        batch, [torch.tensor(sorted(seen), dtype=torch.int64) for seen in every_seen]
    )
    pairs = zip(targets_in_order(batch, padded), every_seen, strict=True)
    assert ranks.tolist() == [rank_by_loops(scores_of[pair].tolist(), pair[0], seen) for pair, seen in pairs]
    if all_tie and not is_packed:
        # without words and residuals the scores are the biases: targets 0, 3, 1, 3, 2, 4, 0, 4, 3, 2, 1
        assert ranks.tolist() == [5, 4, 5, 1, 1, 1, 5, 2, 3, 1, 4]


def targets_in_order(batch: Batch, padded: Batch) -> list[tuple[int, int]]:
    """Each target of a batch with the row that its example has when padded."""
    if batch.segments is None:
        return [(int(padded.item_targets[r, t]), r) for r, t in (padded.item_targets >= 0).nonzero().tolist()]
    rows = [[token for token in row if token != SPECIAL.pad] for row in padded.token_ids.tolist()]
    order = []
    for row, lens in enumerate(batch.segments.lens):
        start = 0
        for length in lens:
            tokens = batch.token_ids[row, start : start + length].tolist()
            found = batch.item_targets[row, start : start + length].tolist()
            order += [(item, rows.index(tokens)) for item in found if item >= 0]
            start += length
    return order
