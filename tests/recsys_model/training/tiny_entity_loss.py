"""A tiny model with an entity head, examples that ask it for items, and its states written down with loops."""

from typing import Any

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.config import ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import Example, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
ITEMS = [(1, 2, 3), (1, 2), (1, 4), (6, 7), (6, 8, 9)]
WORDS = [(1, 2, 3), (2, 10), (4, 4, 11), (6,), (8, 9)]
TRIE = build_token_trie(ITEMS, SPECIAL.end)
SHARES = torch.tensor([0.25, 0.125, 0.125, 0.25, 0.25])


def text_of(*items: int) -> TokenizedText:
    text = TokenizedText()
    for item in items:
        text.add_entity(ITEMS[item], item)
        text.add_text([12])
    return text


def examples_of(objective: ObjectiveConfig) -> list[Example]:
    """Two blanks, a span of several items, a question, and a text that hides no item."""
    builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    text = text_of(0, 1, 3, 2)
    return [
        builder.lay_out(text, [(0, 4), (7, 9)], SPECIAL.mask),
        builder.lay_out(text, [(4, len(text) - 1)], SPECIAL.gmask),
        builder.ask_for_item(text_of(4, 2, 4), 2),
        builder.lay_out(text, [(3, 4)], SPECIAL.mask),
    ]


def batch_of(**settings: Any) -> Batch:
    return pad_examples(examples_of(ObjectiveConfig(**settings)), SPECIAL.pad)


def random_head(width: int = 16, **settings: Any) -> EntityHead:
    head = EntityHead(width, WORDS, EntityConfig(enabled=True, **settings))
    head.word_scale.fill_(0.75)
    generator = torch.Generator().manual_seed(4)
    for parameter in head.parameters():
        parameter.data.normal_(std=0.4, generator=generator)
    return head.double()


def item_vectors(head: EntityHead, model: Backbone) -> Tensor:
    rows = []
    for item, tokens in enumerate(WORDS):
        vector = torch.zeros(16, dtype=torch.float64)
        if head.projection is not None:
            vector = vector + 0.75 * model.word_vectors(torch.tensor(tokens)).sum(0) / len(tokens) @ head.projection
        if head.residuals is not None:
            vector = vector + head.config.residual_scale * head.residuals[item]
        rows.append(vector)
    return torch.stack(rows)


def naive_states(model: Backbone, head: EntityHead, batch: Batch) -> tuple[Tensor, Tensor]:
    """States of all tokens and vectors of all items."""
    vectors = item_vectors(head, model)
    nothing = torch.zeros(16, dtype=torch.float64)
    added = torch.stack(
        [
            torch.stack(
                [
                    vectors[item] @ head.input_projection
                    if item >= 0 and head.input_projection is not None
                    else nothing
                    for item in row
                ]
            )
            for row in batch.input_items.tolist()
        ]
    )
    attention = FullAttention(model.visible(batch.part_a_lens, batch.token_ids.shape[1]))
    ids = (batch.token_ids, batch.inter_position_ids, batch.intra_position_ids)
    return model(*ids, attention, added), vectors
