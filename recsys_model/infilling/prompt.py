"""Prompt: what a model reads of a request before it generates.

The history stands in part A in front of one `[gMASK]`, as in the paper. For models trained with
`next_item_target: all` each of its items is a blank of its own, as in their training, and stands in part B: with its
tokens, or with `history: vectors` as its `[S]` alone.
"""

from dataclasses import dataclass

from recsys_model.config import HistoryLayout
from recsys_model.infilling.item_places import NO_ITEM, item_spans
from recsys_model.infilling.part_a import corrupt
from recsys_model.infilling.positions import IntraMode, known_span_ids
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens


@dataclass(slots=True)
class Prompt:
    """Part A, and what of part B is there before a search begins; the `[S]` of the last blank is fed with its first step."""

    token_ids: list[int]
    """Part A, then the spans of part B."""
    inter_position_ids: list[int]
    """Index in part A; in part B that of the span's mask token."""
    intra_position_ids: list[int]
    """Place inside the entity."""
    mask_position: int
    """Index of the last mask token: the inter position id of what is generated for it."""
    part_a_len: int
    """Tokens of part A."""
    input_items: list[int]
    """Catalogue index of the item whose residual the entity head adds to each token, or `NO_ITEM`."""
    last_item: int
    """The item whose residual is added to the last `[S]`: the one that part B ends with, or `NO_ITEM`."""
    latest_item: int
    """The last item that the text tells of, or `NO_ITEM`."""


def build_prompt(
    text: TokenizedText, special: SpecialTokens, intra_mode: IntraMode = "paper", *, layout: HistoryLayout = "text"
) -> Prompt:
    """Return the prompt of a request: the text, and one blank at its end, `[gMASK]`.

    With another layout than `text`, all blanks are `[MASK]`, and part B holds the items of the text.
    """
    items_are_blanks = layout != "text"
    end = len(text)
    filled = item_spans(text) if items_are_blanks else []
    mask = special.mask if items_are_blanks else special.gmask
    part_a, mask_positions = corrupt(text, [*filled, (end, end)], mask, special, intra_mode)
    items = [item for item in text.entity_items if item >= 0]
    prompt = Prompt(
        token_ids=part_a.token_ids,
        inter_position_ids=part_a.inter_position_ids,
        intra_position_ids=part_a.intra_position_ids,
        mask_position=mask_positions[-1],
        part_a_len=len(part_a.token_ids),
        input_items=part_a.input_items,
        last_item=items[-1] if items and items_are_blanks else NO_ITEM,
        latest_item=items[-1] if items else NO_ITEM,
    )
    previous = NO_ITEM
    for (start, stop), position, item in zip(filled, mask_positions[:-1], items if filled else [], strict=True):
        told = stop - start if layout == "blanks" else 0
        prompt.token_ids += [special.start, *text.token_ids[start : start + told]]
        prompt.inter_position_ids += [position] * (told + 1)
        prompt.intra_position_ids += known_span_ids(start, stop, [start], [stop], intra_mode)[: told + 1]
        prompt.input_items += [previous, *[NO_ITEM] * told]
        previous = item
    return prompt
