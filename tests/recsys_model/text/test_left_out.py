"""A text without an event against the text that the history without it has."""

import dataclasses

import pytest

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.text.left_out import events_of, text_without
from recsys_model.text.textualize import ATTRIBUTE, Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import train_tokenizer

TITLES = ["red tent", "red tent pole. large", "blue hat", "stove"]
TOKENIZER = train_tokenizer([*TITLES, "User: age 25. History: bought, rated 5."], 320)
CATALOG = build_catalog(["a", "b", "c", "d"], TITLES, TITLES, ["25", "26"], TOKENIZER)


@pytest.mark.parametrize("fields", [(), ("action", "rating")])
@pytest.mark.parametrize("features", [{}, {"age": "25", "city": "red tent"}])
@pytest.mark.parametrize("items", [[0], [1, 3], [2, 2, 0, 1, 2]])
def test_the_text_is_that_of_the_history_without_the_event(fields, features, items):
    textualizer = Textualizer(TOKENIZER, CATALOG, TextConfig(behaviour_fields=fields))
    history = [
        Behaviour(item=item, timestamp=float(place), action="bought" if place % 2 else None, rating=5.0)
        for place, item in enumerate(items)
    ]
    text = textualizer.build(features, history)
    before = dataclasses.astuple(text)
    assert [text.entity_items[entity] for entity in events_of(text)] == items
    for place, entity in enumerate(events_of(text)):
        assert text_without(text, entity) == textualizer.build(features, history[:place] + history[place + 1 :])
    assert dataclasses.astuple(text) == before, "the text itself stays"


def test_a_text_without_sentences_ends_an_event_at_the_next_item():
    text = TokenizedText()
    text.add_text([1])
    text.add_entity([7], ATTRIBUTE)
    for item in (4, 5):
        text.add_entity([2, 3], item)
        text.add_text([9])
    assert text_without(text, 1) == TokenizedText([1, 7, 2, 3, 9], [1, 2], [2, 4], [ATTRIBUTE, 5], [])
    assert text_without(text, 2) == TokenizedText([1, 7, 2, 3, 9], [1, 2], [2, 4], [ATTRIBUTE, 4], [])
