"""The prompt of a request: the tokens that the model reads before it generates.

The history stands in part A in front of one `[gMASK]`, as in the paper. For models trained with
`next_item_target: all` it stands in part B from its first item on, as in their training (`item_row`).
"""

from dataclasses import dataclass

from recsys_model.config import HistoryLayout
from recsys_model.infilling.item_places import NO_EARLIER
from recsys_model.infilling.item_row import ItemRow, lay_out_history
from recsys_model.infilling.part_a import corrupt
from recsys_model.infilling.positions import IntraMode
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens


@dataclass(slots=True)
class Prompt:
    """Part A and the history in part B; a search feeds the `[S]` of the last blank with its first step."""

    token_ids: list[int]
    """Part A, then the history of part B."""
    inter_position_ids: list[int]
    """Index in part A; in part B as in `item_row`."""
    intra_position_ids: list[int]
    """Place inside the entity."""
    mask_position: int
    """The inter position id of what is generated."""
    part_a_len: int
    """Tokens of part A."""
    input_items: list[int]
    """Catalogue index of the item whose residual the entity head adds to each token, or `NO_ITEM`."""
    earlier_items: list[tuple[int, ...]]
    """The items before that one, the latest first, or `NO_EARLIER`."""
    last_item: int
    """The item whose residual is added to the last `[S]`: the one that part B ends with, or `NO_ITEM`."""
    items_before_last: tuple[int, ...]
    """The items before `last_item`, the latest first, or `NO_EARLIER`."""
    history: tuple[int, ...]
    """The items of the text, the latest last."""

    @property
    def last_position(self) -> int:
        """The largest inter position id."""
        return max(*self.inter_position_ids, self.mask_position)


def build_prompt(
    text: TokenizedText, special: SpecialTokens, intra_mode: IntraMode = "paper", *, layout: HistoryLayout = "text"
) -> Prompt:
    """Return the prompt of a request: the text, and one blank at its end, `[gMASK]`.

    With another layout than `text`, the text from its first item on is in part B (`item_row`).
    """
    if layout == "text":
        end = len(text)
        part_a, _ = corrupt(text, [(end, end)], special.gmask, special, intra_mode)
        row = ItemRow(part_a)
    else:
        row = lay_out_history(text, special, intra_mode, layout)
        part_a = row.part_a
    return Prompt(
        token_ids=part_a.token_ids + row.token_ids,
        inter_position_ids=part_a.inter_position_ids + row.inter_position_ids,
        intra_position_ids=part_a.intra_position_ids + row.intra_position_ids,
        mask_position=row.position,
        part_a_len=len(part_a.token_ids),
        input_items=part_a.input_items + row.input_items,
        earlier_items=[NO_EARLIER] * len(part_a.token_ids) + row.earlier_items,
        last_item=row.last_item,
        items_before_last=row.items_before_last,
        history=tuple(item for item in text.entity_items if item >= 0),
    )
