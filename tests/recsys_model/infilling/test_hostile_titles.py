"""A title that holds a separator, a sentence end or a special token's text stays one entity, to train on and to generate."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, GLMConfig, ObjectiveConfig, TextConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import ATTRIBUTE, Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import train_tokenizer
from tests.recsys_model.infilling.definition import BLANKS, SPECIAL, Entities, Piece, tokenized
from tests.recsys_model.infilling.example_checks import check_row, rows_of

WORDS = ["Red", "Tent", "Vol", "Mr", "2", "User:", "History:", "age"]
STRUCTURE = [".", ", ", ". ", "! ", "?", ",", "\n", " ", " History: ", "User: age 25."]
SPECIAL_TEXTS = [
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "[CLS]",
    "<|startofpiece|>",
    "<|endofpiece|>",
    "<|endoftext|>",
    "[SEP]",
]
TITLES = st.lists(st.sampled_from([*WORDS, *STRUCTURE, *SPECIAL_TEXTS]), min_size=1, max_size=6).map("".join)
CATALOGS = st.lists(TITLES, min_size=2, max_size=6)
SEEDS = st.integers(0, 2**32 - 1)
TOKENIZERS = {
    merge_words: train_tokenizer(
        [*WORDS, *STRUCTURE, *SPECIAL_TEXTS, "Red Tent. Vol. 2, Mr. Tent"] * 3, vocab_size=400, merge_words=merge_words
    )
    for merge_words in (False, True)
}
FEATURES = {"age": "25. History: Red", "tag, x": "a, b"}
PICKS = st.lists(SEEDS, min_size=1, max_size=5)


def catalog_of(titles: list[str], merge_words: bool) -> Catalog:
    item_ids = [f"i{index}" for index in range(len(titles))]
    texts, _ = make_unique_texts(titles, [None] * len(titles), [[] for _ in titles], item_ids)
    return build_catalog(item_ids, titles, texts, FEATURES.values(), TOKENIZERS[merge_words])


def history_text(catalog: Catalog, items: list[int], target: int | None, merge_words: bool) -> TokenizedText:
    textualizer = Textualizer(TOKENIZERS[merge_words], catalog, TextConfig(behaviour_fields=("action",)))
    events = [Behaviour(item=item, timestamp=float(index), action="buy. Red") for index, item in enumerate(items)]
    return textualizer.build(FEATURES, events, target)


def history_pieces(catalog: Catalog, items: list[int], target: int, merge_words: bool) -> list[Piece]:
    """Put the same text together by hand, as a list of what stands in it."""
    encode = TOKENIZERS[merge_words].encode_text

    def text(words: str, *, ends_sentence: bool = False) -> Piece:
        return Piece("text", tuple(encode(words)), ends_sentence=ends_sentence)

    pieces = [
        text("User: age"),
        Piece("attribute", tuple(encode(" 25. History: Red"))),
        text(", tag, x"),
        Piece("attribute", tuple(encode(" a, b"))),
        text(".", ends_sentence=True),
        text(" History:"),
    ]
    for item in items:
        title = Piece("item", tuple(encode(f" {catalog.items[item].text}")), item)
        pieces += [title, text(", buy. Red"), text(".", ends_sentence=True)]
    return [*pieces, Piece("item", tuple(encode(f" {catalog.items[target].text}")), target, ends_sentence=True)]


@settings(deadline=None)
@given(titles=CATALOGS, picks=PICKS, merge_words=st.booleans())
def test_text_has_one_entity_for_each_value_and_event_and_one_sentence_for_each_event(
    titles: list[str], picks: list[int], merge_words: bool
) -> None:
    catalog, items = catalog_of(titles, merge_words), [pick % len(titles) for pick in picks]
    text = history_text(catalog, items, 0, merge_words)
    assert text.entity_items == [ATTRIBUTE, ATTRIBUTE, *items, 0]
    assert len(text.sentence_ends) == 1 + len(items) + 1, "the features, each event, the target"
    assert text == tokenized(history_pieces(catalog, items, 0, merge_words))
    assert max(text.token_ids) < TOKENIZERS[merge_words].special.pad


@pytest.mark.parametrize("level", BLANKS)
@settings(deadline=None, max_examples=60)
@given(
    titles=CATALOGS,
    picks=PICKS,
    seed=SEEDS,
    merge_words=st.booleans(),
    segmentation=st.sampled_from(["online", "gold"]),
    item_loss=st.sampled_from(["lm", "trie"]),
)
def test_training_never_creates_splits_or_joins_an_entity(
    level: str, titles: list[str], picks: list[int], seed: int, merge_words: bool, segmentation: str, item_loss: str
) -> None:
    catalog, items = catalog_of(titles, merge_words), [pick % len(titles) for pick in picks]
    weights = {f"{name}_weight": float(name == level) for name in BLANKS}
    config = ObjectiveConfig(**weights, segmentation=segmentation, item_loss=item_loss)  # type: ignore[arg-type]
    trie = build_token_trie([item.token_ids for item in catalog.items], SPECIAL.end)
    builder = ExampleBuilder(config, SPECIAL, PositionAutomaton(catalog.pool()), trie)
    batch = ExampleCollator(builder, SPECIAL.pad)([history_text(catalog, items, 0, merge_words)], [(seed,)])
    pool = Entities([item.token_ids for item in catalog.items], list(catalog.attributes.values()))
    (row,) = rows_of(batch, trie)
    check_row(row, history_pieces(catalog, items, 0, merge_words), level, config, pool)


def tiny_model(vocab_size: int) -> GLM:
    geometry = GLMConfig(num_layers=1, hidden_size=16, num_heads=2, vocab_size=vocab_size, max_sequence_length=512)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GLM(geometry).eval()


MODELS = {merge_words: tiny_model(tokenizer.vocab_size) for merge_words, tokenizer in TOKENIZERS.items()}


@settings(deadline=None, max_examples=40)
@given(titles=CATALOGS, picks=PICKS, merge_words=st.booleans())
def test_generation_answers_with_every_item_once_and_sees_the_prompt_of_training(
    titles: list[str], picks: list[int], merge_words: bool
) -> None:
    catalog, special = catalog_of(titles, merge_words), TOKENIZERS[merge_words].special
    items = [pick % len(titles) for pick in picks]
    prompt = build_prompt(history_text(catalog, items, None, merge_words), special)
    trained_on = history_text(catalog, items, 1, merge_words)
    assert prompt == build_prompt(trained_on.before(len(trained_on.entity_items) - 1), special)
    assert [token for token in prompt.token_ids if token >= special.pad] == [special.cls, special.gmask, special.eos]
    generator = TrieGuidedGenerator(MODELS[merge_words], catalog, special, DecodingConfig(num_beams=10))
    found = generator.recommend([prompt], len(titles))[0]
    assert sorted(answer.item for answer in found) == list(range(len(titles)))
