"""Small ambiguous pools and texts: entities nested, overlapping, one token long, one the beginning of another."""

import random

from recsys_model.text.textualize import ATTRIBUTE
from tests.recsys_model.infilling.definition import Entities, Piece

FULL_STOP = 7
ENTITY_TOKENS, TEXT_TOKENS = (1, 2, 3, 4), (1, 2, 3, 4, 5, 6)


def random_entities(rng: random.Random) -> Entities:
    """Draw up to 12 items over four tokens, with beginnings, ends and joints of one another, and attributes."""
    seeds = [tuple(rng.choices(ENTITY_TOKENS, k=rng.randint(1, 5))) for _ in range(5)]
    relatives = [
        seeds[0][: rng.randint(1, len(seeds[0]))],
        seeds[1][-rng.randint(1, len(seeds[1])) :],
        seeds[2] + seeds[3],
        (seeds[2] + seeds[3])[1:],
        (rng.choice(ENTITY_TOKENS),),
        (*seeds[0], FULL_STOP, *seeds[1]),
    ]
    items = list(dict.fromkeys([*seeds, *relatives]))
    attributes = [tuple(rng.choices(ENTITY_TOKENS, k=rng.randint(1, 3))) for _ in range(2)]
    return Entities(items, [*attributes, rng.choice(items), items[0][:1]])


def random_pieces(rng: random.Random, entities: Entities, *, with_item: bool) -> list[Piece]:
    """Draw a text of 1 to 10 pieces, half of the time with an entity at the start, and at the end."""
    pieces = [_random_piece(rng, entities) for _ in range(rng.randint(1, 9))]
    if rng.random() < 0.5:
        pieces[0] = _item(rng, entities)
    if rng.random() < 0.5 or (with_item and all(piece.item == ATTRIBUTE for piece in pieces)):
        pieces.append(_item(rng, entities))
    return pieces


def _random_piece(rng: random.Random, entities: Entities) -> Piece:
    kind = rng.random()
    if kind < 0.4:
        return _item(rng, entities)
    if kind < 0.5:
        return Piece("attribute", rng.choice(entities.attributes))
    if kind < 0.75:
        return Piece("text", tuple(rng.choices(TEXT_TOKENS, k=rng.randint(1, 4))))
    return Piece("text", (FULL_STOP,), ends_sentence=True)


def _item(rng: random.Random, entities: Entities) -> Piece:
    index = rng.randrange(len(entities.items))
    return Piece("item", entities.items[index], index, ends_sentence=rng.random() < 0.1)
