"""Prompts of tests and benchmarks that are given by their tokens: everything stands in part A."""

from collections.abc import Sequence

from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.prompt import Prompt


def plain_prompt(token_ids: Sequence[int], intra_position_ids: Sequence[int], mask_position: int) -> Prompt:
    size = len(token_ids)
    return Prompt(
        token_ids=list(token_ids),
        inter_position_ids=list(range(size)),
        intra_position_ids=list(intra_position_ids),
        mask_position=mask_position,
        part_a_len=size,
        input_items=[NO_ITEM] * size,
        earlier_items=[NO_EARLIER] * size,
        last_item=NO_ITEM,
        items_before_last=NO_EARLIER,
        history=(),
    )
