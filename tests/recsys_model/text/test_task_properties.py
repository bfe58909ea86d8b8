"""Whatever titles, values and reviews hold: templates stay whole, entities stay what they are, texts come back."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import Catalog, build_catalog, make_unique_texts
from recsys_model.errors import DataError
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_text import TaskText, TaskTextBuilder
from recsys_model.text.tasks import FIELDS
from recsys_model.text.templates import Template, load_templates
from recsys_model.text.textualize import ATTRIBUTE, Behaviour
from recsys_model.text.tokenizer import train_tokenizer
from tests.recsys_model.text.task_answers import answer_ids

ENGLISH, CHINESE = load_templates("en"), load_templates("zh")
TEMPLATES = [("en", template) for template in ENGLISH.templates] + [("zh", template) for template in CHINESE.templates]
TOKENIZER = train_tokenizer([template.text for _, template in TEMPLATES], vocab_size=900)
STRUCTURE = [
    "；",
    "，",
    "。",
    "用户：",
    ";",
    ",",
    ".",
    "[",
    "]",
    "{",
    "}",
    "{}",
    "{item}",
    "[ {user}]",
    "History:",
    "{0}",
    "%s",
    "\\",
    '"',
]
SPECIAL_TEXT = ["[MASK]", "[gMASK]", "[sMASK]", "[CLS]", "<|endoftext|>", "<|startofpiece|>", "<|endofpiece|>"]
WORDS = st.sampled_from(
    [*STRUCTURE, *SPECIAL_TEXT, *(f"{{{name}}}" for name in FIELDS), "tent", "yes", "5", "é🎸", "\n", "\t"]
)
NASTY = st.one_of(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), st.text(min_size=1, max_size=12))
VALUE = NASTY.filter(lambda text: text.strip() != "")


@st.composite
def shops(draw: st.DrawFn) -> tuple[Catalog, list[dict[str, str]], TaskFacts]:
    """A catalogue of four items with attributes, and one event."""
    item_ids = ["a", "b", "c", "d"]
    titles = draw(st.lists(NASTY, min_size=4, max_size=4))
    texts, _ = make_unique_texts(titles, [None] * 4, [[]] * 4, item_ids)
    values = draw(st.lists(VALUE, min_size=4, max_size=4))
    catalog = build_catalog(item_ids, titles, texts, values[:2], TOKENIZER)
    facts = TaskFacts(
        target=1,
        features=draw(st.sampled_from([{}, {"age": values[0], "{item}": values[1]}])),
        history=[
            Behaviour(item=item, timestamp=0.0) for item in draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
        ],
        question_item=draw(st.sampled_from([None, 2])),
        candidates=draw(st.permutations([0, 1, 2])),
        rating=draw(st.sampled_from([1.0, 4.0])),
        review=draw(VALUE),
        summary=draw(VALUE),
        feature=draw(VALUE),
        explanation=draw(VALUE),
    )
    return catalog, [{}, {"brand": values[2]}, {"brand": values[3], "[x]": values[0]}, {}], facts


SEPARATORS = {"en": (", ", "; "), "zh": ("，", "； ")}
NAMES = {"en": {}, "zh": {"brand": "品牌"}}
YES_NO = {"en": ("yes", "no"), "zh": ("是", "否")}


def written(
    catalog: Catalog, attributes: Sequence[Mapping[str, str]], facts: TaskFacts, language: str
) -> dict[str, str]:
    """The value of every field as plain text, put together without tokens."""
    between_features, between_items = SEPARATORS[language]
    names = NAMES[language]
    texts = [item.text for item in catalog.items]
    asked = 1 if facts.question_item is None else facts.question_item
    return {
        "user": between_features.join(f"{name} {value}" for name, value in facts.features.items()),
        "attributes": between_features.join(
            f"{names.get(name, name)} {value}" for name, value in attributes[asked].items()
        ),
        "history": between_items.join(texts[event.item] for event in facts.history),
        "candidates": between_items.join(texts[item] for item in facts.candidates),
        "item": texts[asked],
        "feature": " ".join(facts.feature.split()),
        "rating": f"{facts.rating:g}",
        "review": " ".join(facts.review.split()),
        "summary": " ".join(facts.summary.split()),
    }


def filled(template: str, values: Mapping[str, str]) -> str:
    """Fill a template by splitting its text, so that values are never searched."""
    parts = re.split(r"\[(.*?)\]", template)
    for index in range(1, len(parts), 2):
        if any(values[name] == "" for name in re.findall(r"\{(\w+)\}", parts[index])):
            parts[index] = ""
    pieces = re.split(r"\{(\w+)\}", "".join(parts))
    return "".join(values[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def answers(catalog: Catalog, facts: TaskFacts, language: str) -> dict[str, str]:
    yes, no = YES_NO[language]
    return {
        "item": catalog.items[1].text,
        "rating": f"{facts.rating:g}",
        "yes_no": yes if facts.question_item is None else no,
        "explanation": " ".join(facts.explanation.split()),
        "summary": " ".join(facts.summary.split()),
    }


def built(
    shop: tuple[Catalog, list[dict[str, str]], TaskFacts], asked: tuple[str, Template], max_tokens: int
) -> TaskText:
    catalog, attributes, facts = shop
    language, template = asked
    config = TextConfig(max_tokens=max_tokens, language=language)
    return TaskTextBuilder(TOKENIZER, catalog, config, attributes).build(template, facts)


@settings(max_examples=60, deadline=None)
@given(shops(), st.sampled_from(TEMPLATES))
def test_question_and_answer_come_back_by_decoding(shop, asked: tuple[str, Template]) -> None:
    language, template = asked
    catalog, attributes, facts = shop
    task = built(shop, asked, 4096)
    question = TOKENIZER.decode(task.question.token_ids)
    expected = filled(template.text, written(catalog, attributes, facts, language))
    if template.text.startswith("{"):
        expected = f" {expected}"
    assert question == expected
    assert TOKENIZER.decode(answer_ids(task)) == f" {answers(catalog, facts, language)[template.task.answer]}"
    assert max(task.text.token_ids) < TOKENIZER.special.pad, "text never becomes a special token"


@settings(max_examples=60, deadline=None)
@given(shops(), st.sampled_from(TEMPLATES))
def test_entities_are_the_values_that_were_given_and_nothing_else(shop, question: tuple[str, Template]) -> None:
    _, template = question
    catalog, attributes, facts = shop
    text = built(shop, question, 4096).text
    asked = 1 if facts.question_item is None else facts.question_item
    values = {
        "user": [(ATTRIBUTE, f" {value}") for value in facts.features.values()],
        "attributes": [(ATTRIBUTE, f" {value}") for value in attributes[asked].values()],
        "history": [(event.item, f" {catalog.items[event.item].text}") for event in facts.history],
        "candidates": [(item, f" {catalog.items[item].text}") for item in facts.candidates],
        "item": [(asked, f" {catalog.items[asked].text}")],
        "feature": [(ATTRIBUTE, f" {' '.join(facts.feature.split())}")],
        "rating": [(ATTRIBUTE, f" {facts.rating:g}")],
        "review": [],
        "summary": [],
    }
    told = [
        part for part in template.parts if not part.is_optional or all(_is_known(name, shop) for name in part.fields)
    ]
    expected = [entity for part in told for name in part.fields for entity in values[name]]
    if template.task.answer == "item":
        expected.append((1, f" {catalog.items[1].text}"))
    spans = zip(text.entity_items, text.entity_starts, text.entity_ends, strict=True)
    assert [(item, TOKENIZER.decode(text.token_ids[start:end])) for item, start, end in spans] == expected


def _is_known(name: str, shop: tuple[Catalog, list[dict[str, str]], TaskFacts]) -> bool:
    catalog, attributes, facts = shop
    return written(catalog, attributes, facts, "en")[name] != ""


def shortest(shop: tuple[Catalog, list[dict[str, str]], TaskFacts], question: tuple[str, Template]) -> int:
    """Tokens of the text with the latest behaviour, 16 tokens of the review and nothing optional."""
    catalog, _, facts = shop
    template = question[1]
    needed = dataclasses.replace(
        facts,
        features={},
        history=facts.history[-1:],
        rating=facts.rating if template.task.answer == "rating" else None,
        summary=facts.summary if template.task.answer == "summary" else "",
    )
    review = (
        len(TOKENIZER.encode_text(f" {' '.join(facts.review.split())}")) if "review" in template.task.required else 0
    )
    return len(built((catalog, [{}] * 4, needed), question, 4096).text) - max(0, review - 16)


@settings(max_examples=60, deadline=None)
@given(shops(), st.sampled_from(TEMPLATES), st.integers(16, 120))
def test_a_text_is_shortened_to_fit_or_refused_exactly_where_it_cannot_be(
    shop, question: tuple[str, Template], limit: int
) -> None:
    catalog, _, facts = shop
    whole = built(shop, question, 4096)
    if shortest(shop, question) + 2 > limit:
        with pytest.raises(DataError, match="the question needs at least"):
            built(shop, question, limit)
        return
    task = built(shop, question, limit)
    assert len(task.text) <= min(limit - 2, len(whole.text))
    assert answer_ids(task) == answer_ids(whole)
    assert (task.text == whole.text) == (len(whole.text) + 2 <= limit)
    expected = [item for item in whole.text.entity_items if item != ATTRIBUTE]
    kept = [item for item in task.text.entity_items if item != ATTRIBUTE]
    dropped = len(expected) - len(kept)
    oldest = [event.item for event in facts.history][:dropped]
    gone = Counter(expected) - Counter(kept)
    lengths = [len(catalog.items[item].token_ids) for item in gone]
    is_longest = max(lengths, default=0) == max(
        len(catalog.items[event.item].token_ids) for event in facts.history[:-1] or facts.history
    )
    assert gone.total() == dropped
    assert gone == Counter(oldest) or is_longest, "only the oldest behaviours are gone, or the longest"
    for item, start, end in zip(task.text.entity_items, task.text.entity_starts, task.text.entity_ends, strict=True):
        assert item == ATTRIBUTE or tuple(task.text.token_ids[start:end]) == catalog.items[item].token_ids
