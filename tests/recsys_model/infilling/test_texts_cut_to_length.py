"""Long histories are cut to 1,024 tokens at whole behaviours; what is drawn from them is what the definition says."""

import random

import pytest

from recsys_model.config import ObjectiveConfig, TextConfig
from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import train_tokenizer
from tests.recsys_model.infilling.definition import BLANKS, SPECIAL, Entities, Piece, tokenized
from tests.recsys_model.infilling.example_checks import check_row, rows_of

MAX_TOKENS = 1024
WORDS = ["Red", "Tent", "Pole", "Gloom", "of", "Kilforth", "Vol.", "2", "Lamp", "Oil"]
TOKENIZER = train_tokenizer([" ".join(WORDS), "User: age History:", "25-34"] * 3, vocab_size=340)


def long_catalog(rng: random.Random) -> Catalog:
    """Titles of 1 to 8 words, many of which begin others."""
    titles = [" ".join(rng.choices(WORDS, k=rng.randint(1, 8))) for _ in range(60)]
    titles += [title.split(" ")[0] for title in titles[:10]]
    item_ids = [f"i{index}" for index in range(len(titles))]
    texts, _ = make_unique_texts(titles, [None] * len(titles), [[] for _ in titles], item_ids)
    return build_catalog(item_ids, titles, texts, ["25-34"], TOKENIZER)


CATALOG = long_catalog(random.Random(0))
POOL = Entities([item.token_ids for item in CATALOG.items], list(CATALOG.attributes.values()))
TRIE = build_token_trie(POOL.items, SPECIAL.end)


def text_piece(words: str, *, ends_sentence: bool = False) -> Piece:
    return Piece("text", tuple(TOKENIZER.encode_text(words)), ends_sentence=ends_sentence)


def size_of(pieces: list[Piece]) -> int:
    return sum(len(piece.tokens) for piece in pieces)


def cut_pieces(history: list[int], target: int) -> list[Piece]:
    """Leave out the oldest event until the text and its frame fit."""
    opening = [text_piece("User: age"), Piece("attribute", POOL.attributes[0])]
    opening += [text_piece(".", ends_sentence=True), text_piece(" History:")]
    answer = [Piece("item", POOL.items[target], target, ends_sentence=True)]
    events = [[Piece("item", POOL.items[item], item), text_piece(".", ends_sentence=True)] for item in history]
    sizes = [size_of(event) for event in events]
    room = MAX_TOKENS - len(["[CLS]", "[EOS]"]) - size_of(opening) - size_of(answer)
    oldest = next(first for first in range(len(events) + 1) if sum(sizes[first:]) <= room)
    return [*opening, *(piece for event in events[oldest:] for piece in event), *answer]


@pytest.mark.parametrize("level", BLANKS)
def test_examples_of_cut_texts_are_what_the_definition_says(level: str) -> None:
    rng = random.Random(level)
    weights = {f"{name}_weight": float(name == level) for name in BLANKS}
    textualizer = Textualizer(TOKENIZER, CATALOG, TextConfig(max_tokens=MAX_TOKENS))
    for number in range(12):
        config = ObjectiveConfig(**weights, segmentation=("online", "gold")[number % 2], next_item_target="any")  # type: ignore[arg-type]
        history, target = rng.choices(range(len(POOL.items)), k=300), rng.randrange(len(POOL.items))
        events = [Behaviour(item=item, timestamp=float(place)) for place, item in enumerate(history)]
        pieces = cut_pieces(history, target)
        text = textualizer.build({"age": "25-34"}, events, target)
        assert text == tokenized(pieces)
        assert MAX_TOKENS - 60 < len(text) + 2 <= MAX_TOKENS, "cut, and by no more than one behaviour"
        automaton = PositionAutomaton(EntityPool([*POOL.items, *POOL.attributes]))
        collate = ExampleCollator(ExampleBuilder(config, SPECIAL, automaton, TRIE), SPECIAL.pad)
        batch = collate([text], [(level, number)])
        (row,) = rows_of(batch, TRIE)
        assert max(row.inter) < MAX_TOKENS
        assert max(row.intra) <= MAX_TOKENS
        check_row(row, pieces, level, config, POOL)
