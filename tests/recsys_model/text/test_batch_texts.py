"""Texts of whole batches are token for token those that the textualizer writes one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.errors import DataError
from recsys_model.text.batch_texts import BatchTextualizer, Events
from recsys_model.text.pieces import Texts
from recsys_model.text.ragged import Ragged
from recsys_model.text.textualize import Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import train_tokenizer

TITLES = ["Red Tent", "Red Tent Pole", "Mr. Stove, Vol. 2.", "History: User:", "qzxjkvwyqzxjkvwy"]
CATEGORIES = [("Garden", "Tents"), (), ("Garden",), ("Tents",), ()]
ACTIONS = ["buy", "view", "item"]
TOKENIZER = train_tokenizer(TITLES[:4], vocab_size=300)
CATALOG = build_catalog(["a", "b", "c", "d", "e"], TITLES, TITLES, ["25-34", "Berlin"], TOKENIZER)
LAST_MOMENT_OF_JANUARY = 2678399.9999999
FIELDS = ("action", "categories", "rating", "time")

behaviours = st.builds(
    Behaviour,
    item=st.integers(0, 4),
    timestamp=st.sampled_from([0.0, -0.25, LAST_MOMENT_OF_JANUARY, 1.4e9, 1.4e9 + 1]),
    action=st.sampled_from([None, *ACTIONS]),
    rating=st.sampled_from([None, 1.0, 4.5]),
)
features = st.dictionaries(st.sampled_from(["age", "city", "plan"]), st.sampled_from(["25-34", "Berlin", "new value"]))
cases = st.lists(st.tuples(st.lists(behaviours, min_size=1, max_size=8), features), max_size=5)


def batch_of(cases: list[tuple[list[Behaviour], dict[str, str]]], config: TextConfig) -> Texts:
    flat = [event for events, _ in cases for event in events]
    events = Events(
        items=np.array([event.item for event in flat], dtype=np.int64),
        timestamps=np.array([event.timestamp for event in flat], dtype=np.float64),
        ratings=np.array([np.nan if event.rating is None else event.rating for event in flat], dtype=np.float64),
        actions=np.array(
            [-1 if event.action is None else ACTIONS.index(event.action) for event in flat], dtype=np.int64
        ),
        action_names=ACTIONS,
    )
    lengths = [len(events) for events, _ in cases]
    ends = np.cumsum(lengths, dtype=np.int64)
    history = Ragged.of_lists([range(end - length, end - 1) for end, length in zip(ends, lengths, strict=True)])
    texts = BatchTextualizer(TOKENIZER, CATALOG, config, CATEGORIES).open(events)
    return texts.build(history, ends - 1, [known for _, known in cases])


def one_by_one(events: list[Behaviour], known: dict[str, str], config: TextConfig) -> TokenizedText:
    told = [
        Behaviour(
            item=event.item,
            timestamp=event.timestamp,
            action=event.action,
            rating=event.rating,
            categories=CATEGORIES[event.item],
        )
        for event in events
    ]
    return Textualizer(TOKENIZER, CATALOG, config).build(known, told[:-1], told[-1].item)


@given(cases, st.integers(36, 200), st.lists(st.sampled_from(FIELDS), unique=True), st.sampled_from(["en", "zh"]))
def test_a_batch_holds_what_the_textualizer_writes_one_by_one(cases, max_tokens, fields, language):
    config = TextConfig(max_tokens=max_tokens, behaviour_fields=tuple(fields), language=language)

    batch = batch_of(cases, config)

    expected = [one_by_one(events, known, config) for events, known in cases]
    for name in ("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends"):
        assert getattr(batch, name).to_lists() == [list(getattr(text, name)) for text in expected], name


def test_a_target_that_does_not_fit_is_an_error_with_its_length():
    event = Behaviour(item=4, timestamp=0.0)
    with pytest.raises(DataError, match=r"text.max_tokens is 16, too small for an item of 17 tokens; raise it"):
        batch_of([([event, event], {})], TextConfig(max_tokens=16))
