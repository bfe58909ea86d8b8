"""Draw negatives by a key: items that the user never took."""

import random
from collections.abc import Collection

from recsys_model.errors import DataError
from recsys_model.text.seeding import stable_seed


def draw_negatives(key: tuple[int | str, ...], own_items: Collection[int], num_items: int, count: int) -> list[int]:
    """Draw distinct catalogue indices uniformly, none of them the user's own.

    Args:
        key: What the draw depends on, for example (seed, user id).
        own_items: Every item of the user, in training, validation and test alike.
        num_items: Size of the catalogue.
        count: How many to draw.

    Raises:
        DataError: the catalogue has too few other items.

    Example:
        >>> sorted(draw_negatives((0, "ann"), {1, 3}, 5, 3))
        [0, 2, 4]
    """
    own = set(own_items)
    if num_items - len(own) < count:
        raise DataError(
            f"{count} items that the user never took are needed, the catalogue has {num_items - len(own)}; ask for fewer"
        )
    rng = random.Random(stable_seed("negatives", *key))
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        item = int(rng.random() * num_items)
        if item not in own:
            drawn[item] = None
    return list(drawn)


def shuffled_with(key: tuple[int | str, ...], item: int, negatives: Collection[int]) -> list[int]:
    """Shuffle an item and its negatives by the key, so that the position of the item has no information."""
    rng = random.Random(stable_seed("order", *key))
    ranks = [(rng.random(), candidate) for candidate in sorted({item, *negatives})]
    return [candidate for _, candidate in sorted(ranks)]
