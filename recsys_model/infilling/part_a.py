"""Part A: the text with its blanks, each hidden span replaced by one mask token (paper, Training Phase)."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_model.infilling.item_places import NO_ITEM, visible_input_items
from recsys_model.infilling.masking import Span
from recsys_model.infilling.positions import IntraMode, part_a_intra_ids
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens


@dataclass(slots=True)
class PartA:
    """A corrupted text, framed by `[CLS]` and `[EOS]` where the tokenizer has them."""

    token_ids: list[int]
    """The tokens; every span is one mask token."""
    inter_position_ids: list[int]
    """0, 1, 2, ..."""
    intra_position_ids: list[int]
    """1..n inside entities, 0 elsewhere; a token of an entity that a span cuts keeps its number."""
    mask_position: int
    """Index of the last mask token: the inter position id of what is generated for it."""
    input_items: list[int]
    """Catalogue index of the item whose residual the entity head adds to each token, or `NO_ITEM`."""


def corrupt(
    text: TokenizedText, spans: Sequence[Span], mask_token: int, special: SpecialTokens, intra_mode: IntraMode
) -> tuple[PartA, list[int]]:
    """Replace each span by one mask token; also return the position of each mask token in part A."""
    intra_T = part_a_intra_ids(len(text), text.entity_starts, text.entity_ends, intra_mode)
    items_T = visible_input_items(text, spans)
    token_ids = [] if special.cls is None else [special.cls]
    intra_ids = [0] * len(token_ids)
    items = [NO_ITEM] * len(token_ids)
    mask_positions: list[int] = []
    kept_from = 0
    for start, end in spans:
        token_ids += text.token_ids[kept_from:start]
        intra_ids += intra_T[kept_from:start]
        items += items_T[kept_from:start]
        mask_positions.append(len(token_ids))
        token_ids.append(mask_token)
        intra_ids.append(0)
        items.append(NO_ITEM)
        kept_from = end
    end = [] if special.eos is None else [special.eos]
    token_ids += [*text.token_ids[kept_from:], *end]
    intra_ids += [*intra_T[kept_from:], *[0] * len(end)]
    items += [*items_T[kept_from:], *[NO_ITEM] * len(end)]
    part_a = PartA(token_ids, list(range(len(token_ids))), intra_ids, mask_positions[-1], items)
    return part_a, mask_positions
