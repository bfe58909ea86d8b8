"""A tiny model with an entity head, examples that ask it for items, and its states written down with loops."""

import math
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
    """Two blanks, a span of several items, a question, all items of a text, and a text that hides no item."""
    builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    text = text_of(0, 1, 3, 2)
    return [
        builder.lay_out(text, [(0, 4), (7, 9)], SPECIAL.mask),
        builder.lay_out(text, [(4, len(text) - 1)], SPECIAL.gmask),
        builder.ask_for_item(text_of(4, 2, 4), 2),
        builder.ask_for_all(text_of(0, 4, 3, 2, 1)),
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
    if head.repeat_weight is not None:
        head.repeat_weight.data.fill_(-0.013)
    return head.double()


def item_vectors(head: EntityHead, model: Backbone) -> Tensor:
    rows = []
    for item, tokens in enumerate(WORDS):
        vector = torch.zeros(16, dtype=torch.float64)
        if head.projection is not None:
            weights = [math.log(6 / sum(token in words for words in WORDS)) for token in tokens]
            shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
            # the product keeps its shares in float32
            mean = shares.float().double() @ model.word_vectors(torch.tensor(tokens))
            vector = vector + 0.75 * mean @ head.projection
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
    return model(*ids, attention, added + naive_earlier(head, batch, vectors)), vectors


def naive_earlier(head: EntityHead, batch: Batch, vectors: Tensor) -> Tensor:
    """What the items before the last one add to each token."""
    added = torch.zeros(*batch.token_ids.shape, 16, dtype=torch.float64)
    if head.earlier_projections is None:
        return added
    for row, tokens in enumerate(batch.earlier_items.tolist()):
        for at, items in enumerate(tokens):
            for place, item in enumerate(items):
                if item >= 0:
                    added[row, at] = added[row, at] + vectors[item] @ head.earlier_projections[place]
    return added


def naive_scores(head: EntityHead, batch: Batch, hidden: Tensor, vectors: Tensor, row: int, place: int) -> Tensor:
    """Scores of all items at one target of a padded batch: an item that it sees has the repeat bias."""
    score = hidden[row, place] @ vectors.T / head.temperature + head.biases
    if head.repeat_weight is None:
        return score
    visible = [at for at in range(batch.token_ids.shape[1]) if at < batch.part_a_lens[row] or at <= place]
    shown = {int(batch.input_items[row, at]) for at in visible} - {-1}
    return score + torch.stack([100.0 * head.repeat_weight[0] * (item in shown) for item in range(len(score))])
