"""Texts, their entities and sentences, and what is dropped when they are too long."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import Catalog, build_catalog
from recsys_model.errors import DataError
from recsys_model.text.textualize import ATTRIBUTE, Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import train_tokenizer

TITLES = ["Red Tent", "Red Tent Pole", "Mr. Stove, Vol. 2.", "History: User:"]
LONG_TITLE = "qzxjkvwyqzxjkvwy"
TOKENIZER = train_tokenizer(TITLES, vocab_size=300)
CATALOG: Catalog = build_catalog(
    ["a", "b", "c", "d", "e"], [*TITLES, LONG_TITLE], [*TITLES, LONG_TITLE], ["25-34", "Berlin"], TOKENIZER
)
DAY = 86400.0


@dataclass(frozen=True)
class Told:
    text: str
    entities: list[str]
    items: list[int]
    sentences: list[str]


def told(text: TokenizedText) -> Told:
    decode = TOKENIZER.decode
    bounds = [0, *text.sentence_ends]
    return Told(
        text=decode(text.token_ids),
        entities=[
            decode(text.token_ids[start:end]) for start, end in zip(text.entity_starts, text.entity_ends, strict=True)
        ],
        items=text.entity_items,
        sentences=[decode(text.token_ids[a:b]) for a, b in itertools.pairwise(bounds)],
    )


def events(*items: int) -> list[Behaviour]:
    return [Behaviour(item=item, timestamp=DAY * place) for place, item in enumerate(items)]


def build(history: list[Behaviour], target: int | None = None, **settings: object) -> TokenizedText:
    config = TextConfig(**settings)  # type: ignore[arg-type]
    return Textualizer(TOKENIZER, CATALOG, config).build({"age": "25-34", "city": "Berlin"}, history, target)


def test_features_and_history_become_one_text_with_known_entities() -> None:
    assert told(build(events(0, 2), target=1)) == Told(
        text="User: age 25-34, city Berlin. History: Red Tent. Mr. Stove, Vol. 2.. Red Tent Pole",
        entities=[" 25-34", " Berlin", " Red Tent", " Mr. Stove, Vol. 2.", " Red Tent Pole"],
        items=[ATTRIBUTE, ATTRIBUTE, 0, 2, 1],
        sentences=[
            "User: age 25-34, city Berlin.",
            " History: Red Tent.",
            " Mr. Stove, Vol. 2..",
            " Red Tent Pole",
        ],
    )


def test_in_chinese_words_and_marks_are_chinese_and_each_behaviour_is_a_sentence() -> None:
    event = Behaviour(item=2, timestamp=0.0, action="购买", categories=("户外", "炉具"), rating=4.0)
    text = told(
        build([*events(0), event], 1, language="zh", behaviour_fields=("rating", "action", "time", "categories"))
    )
    assert text == Told(
        text="用户：age 25-34，city Berlin。历史： Red Tent，1970年1月。 "
        "Mr. Stove, Vol. 2.，评分4，购买，1970年1月，炉具。 Red Tent Pole",
        entities=[" 25-34", " Berlin", " Red Tent", " Mr. Stove, Vol. 2.", " Red Tent Pole"],
        items=[ATTRIBUTE, ATTRIBUTE, 0, 2, 1],
        sentences=[
            "用户：age 25-34，city Berlin。",
            "历史： Red Tent，1970年1月。",
            " Mr. Stove, Vol. 2.，评分4，购买，1970年1月，炉具。",
            " Red Tent Pole",
        ],
    )


def test_a_chinese_full_stop_inside_a_title_ends_no_sentence() -> None:
    titles = ["好。用！的", "帐篷"]
    catalog = build_catalog(["a", "b"], titles, titles, [], TOKENIZER)
    config = TextConfig(language="zh")
    text = told(Textualizer(TOKENIZER, catalog, config).build({}, events(0), 1))
    assert text.sentences == ["历史： 好。用！的。", " 帐篷"]


def test_text_that_looks_like_structure_stays_inside_its_entity() -> None:
    text = told(build(events(3)))
    assert text.entities[-1] == " History: User:"
    assert text.items == [ATTRIBUTE, ATTRIBUTE, 3]


def test_fields_of_a_behaviour_are_plain_text_in_the_order_asked() -> None:
    event = Behaviour(item=0, timestamp=0.0, action="buy", categories=("Outdoor", "Tents"), rating=4.0)
    text = told(build([event], behaviour_fields=("rating", "action", "time", "categories")))
    assert text.sentences[-1] == " History: Red Tent, rated 4, buy, January 1970, Tents."
    assert text.entities[-1] == " Red Tent"


def test_unknown_fields_of_a_behaviour_are_left_out() -> None:
    assert told(build(events(0), behaviour_fields=("rating", "action"))).sentences[-1] == " History: Red Tent."


def test_oldest_behaviour_is_dropped_first() -> None:
    whole = build(events(0, 1, 2, 0), target=1)
    text = build(events(0, 1, 2, 0), target=1, max_tokens=len(whole) + 2 - 1)
    assert text.entity_items == [ATTRIBUTE, ATTRIBUTE, 1, 2, 0, 1]


def expected_history(items: list[int], room: int) -> list[int]:
    """The latest items whose sentences fit, or those without the items that take more than half of the room, if more."""
    num_tokens = {item: len(build(events(item))) - len(build([])) for item in set(items)}

    def latest(some: list[int]) -> list[int]:
        return next(some[start:] for start in range(len(some) + 1) if sum(num_tokens[i] for i in some[start:]) <= room)

    return max(latest(items), latest([item for item in items if num_tokens[item] <= room / 2]), key=len)


def test_one_long_title_does_not_drop_the_past() -> None:
    past = [0, 1, 0, 1, 0, 1, 0, 4, 1, 0]
    short = [item for item in past if item != 4]
    room = len(build(events(*short), target=1)) - len(build([], target=1))
    assert expected_history(past, room) == short
    text = build(events(*past), target=1, max_tokens=len(build(events(*short), target=1)) + 2)
    assert [item for item in text.entity_items if item != ATTRIBUTE] == [*short, 1]


@given(items=st.lists(st.integers(0, 4), max_size=6), max_tokens=st.integers(25, 120))
def test_text_fits_and_keeps_the_latest_events_and_the_target(items: list[int], max_tokens: int) -> None:
    text = build(events(*items), target=0, max_tokens=max_tokens)
    kept = [item for item in text.entity_items if item != ATTRIBUTE]
    assert len(text) + 2 <= max_tokens
    room = max_tokens - 2 - len(build([], target=0, max_tokens=max_tokens))
    assert kept == [*expected_history(items, room), 0]
    for start, end, item in zip(text.entity_starts, text.entity_ends, text.entity_items, strict=True):
        if item != ATTRIBUTE:
            assert tuple(text.token_ids[start:end]) == CATALOG.items[item].token_ids


def test_item_longer_than_the_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"text\.max_tokens is 16, too small"):
        build([], target=4, max_tokens=16)


def test_no_features_and_no_history_is_a_text_too() -> None:
    text = Textualizer(TOKENIZER, CATALOG, TextConfig()).build({}, [])
    assert told(text).text == "History:"


def test_text_before_an_entity_ends_where_it_begins() -> None:
    text = build(events(0, 1), target=3)
    before = text.before(len(text.entity_items) - 1)
    assert told(before) == told(build(events(0, 1)))
