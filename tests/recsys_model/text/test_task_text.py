"""Questions and answers of every task, literally, and what is dropped when they are too long."""

import itertools
from typing import Any

import pytest

from recsys_model.config import ObjectiveConfig, TextConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_fit import whole_text
from recsys_model.text.task_text import TaskText, TaskTextBuilder
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import ATTRIBUTE, Behaviour
from recsys_model.text.tokenizer import train_tokenizer
from tests.recsys_model.text.task_answers import answer_ids

TITLES = ["Red Tent", "Red Tent Pole", "Stove; Fuel, 2", "Lamp"]
TOKENIZER = train_tokenizer(TITLES, vocab_size=300)
CATALOG = build_catalog(["a", "b", "c", "d"], TITLES, TITLES, ["Berlin", "Acme"], TOKENIZER)
ATTRIBUTES = [{"brand": "Acme"}, {}, {"brand": "Volt", "category": "Fuel"}, {}]
TEMPLATES = load_templates()
HISTORY = [Behaviour(item=0, timestamp=0.0, rating=4.0), Behaviour(item=2, timestamp=1.0)]


def facts(**changes: Any) -> TaskFacts:
    known: dict[str, Any] = {
        "target": 1,
        "features": {"age": "25-34", "city": "Berlin"},
        "history": HISTORY,
        "rating": 4.0,
        "review": "Fits well.\n Sturdy!",
        "summary": "good pole",
        "feature": "weight",
        "explanation": "The weight is low.",
        "candidates": (3, 1),
    }
    return TaskFacts(**known | changes)


def build(template_id: str, settings: dict[str, Any] | None = None, **changes: Any) -> TaskText:
    builder = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(**settings or {}), ATTRIBUTES)
    return builder.build(TEMPLATES[template_id], facts(**changes))


def told(task: TaskText) -> tuple[str, str, list[str]]:
    """Question, answer and all entities, as texts."""
    ids, text = task.text.token_ids, task.text
    bounds = zip(text.entity_starts, text.entity_ends, strict=True)
    question = TOKENIZER.decode(ids[: task.answer_start])
    return question, TOKENIZER.decode(answer_ids(task)), [TOKENIZER.decode(ids[a:b]) for a, b in bounds]


USER = [" 25-34", " Berlin"]
PAST = [" Red Tent", " Stove; Fuel, 2"]


@pytest.mark.parametrize(
    ("template_id", "question", "answer", "entities"),
    [
        (
            "rating/stars",
            "A shopper with age 25-34, city Berlin has bought Red Tent; Stove; Fuel, 2. "
            "How many stars, from 1 to 5, will this shopper give Red Tent Pole?",
            " 4",
            [*USER, *PAST, " Red Tent Pole"],
        ),
        (
            "sequential/continue",
            "Continue this list of purchases by one item: Red Tent; Stove; Fuel, 2.",
            " Red Tent Pole",
            [*PAST, " Red Tent Pole"],
        ),
        (
            "explanation/justify",
            "We recommend Red Tent Pole to the buyer of Red Tent; Stove; Fuel, 2. Justify this, given the rating 4:",
            " The weight is low.",
            [" Red Tent Pole", *PAST, " 4"],
        ),
        (
            "explanation_hint/about",
            "Explain to the buyer of Red Tent; Stove; Fuel, 2, with a word on weight, why Red Tent Pole was chosen.",
            " The weight is low.",
            [*PAST, " weight", " Red Tent Pole"],
        ),
        (
            "review_summary/headline",
            "Give this review of Red Tent Pole a headline: Fits well. Sturdy!",
            " good pole",
            [" Red Tent Pole"],
        ),
        (
            "review_rating/score",
            "Text on Red Tent Pole, headed good pole: Fits well. Sturdy! Score from 1 to 5:",
            " 4",
            [" Red Tent Pole"],
        ),
        (
            "direct_yes_no/offer",
            "Should we offer Red Tent Pole to the owner of Red Tent; Stove; Fuel, 2? Say yes or no.",
            " yes",
            [" Red Tent Pole", *PAST],
        ),
        (
            "direct_choose/option",
            "Known purchases: Red Tent; Stove; Fuel, 2. Options: Lamp; Red Tent Pole. Best option:",
            " Red Tent Pole",
            [*PAST, " Lamp", " Red Tent Pole", " Red Tent Pole"],
        ),
        (
            "next_item/step",
            "Steps of a user with age 25-34, city Berlin until now: Red Tent; Stove; Fuel, 2. Next step:",
            " Red Tent Pole",
            [*USER, *PAST, " Red Tent Pole"],
        ),
        (
            "candidate/which",
            "Profile: age 25-34, city Berlin. Behaviour: Red Tent; Stove; Fuel, 2. Candidates: Lamp; Red Tent Pole. "
            "Which candidate comes next?",
            " Red Tent Pole",
            [*USER, *PAST, " Lamp", " Red Tent Pole", " Red Tent Pole"],
        ),
    ],
)
def test_a_question_of_each_task(template_id: str, question: str, answer: str, entities: list[str]) -> None:
    task = build(template_id)
    assert told(task) == (question, answer, entities)
    assert task.text.sentence_ends == [task.answer_start, len(task.text)]


@pytest.mark.parametrize(
    ("template_id", "question", "answer"),
    [
        (
            "rating/score",
            "用户： 年龄 25-34，城市 北京。购买记录： 红色帐篷； 炉具；Fuel，2。商品： 红色帐篷杆， 品牌 赤松，价格 18。预计评分，1到5：",
            " 4",
        ),
        ("sequential/continue", "请给这份购物清单续上一件商品： 红色帐篷； 炉具；Fuel，2。", " 红色帐篷杆"),
        (
            "explanation_hint/mention",
            "请为拥有 红色帐篷； 炉具；Fuel，2 的人用一句话介绍 红色帐篷杆，并提到 做工。",
            " 做工很好。",
        ),
        ("review_summary/headline", "给 红色帐篷杆 的这条评价起个标题： 做工很好。 推荐！", " 好杆子"),
        ("direct_yes_no/offer", "应该把 红色帐篷杆 推荐给拥有 红色帐篷； 炉具；Fuel，2 的人吗？请说是或否。", " 是"),
        (
            "candidate/which",
            "画像： 年龄 25-34，城市 北京。行为： 红色帐篷； 炉具；Fuel，2。候选： 灯； 红色帐篷杆。接下来是哪个候选？",
            " 红色帐篷杆",
        ),
    ],
)
def test_a_question_in_chinese(template_id: str, question: str, answer: str) -> None:
    titles = ["红色帐篷", "红色帐篷杆", "炉具；Fuel，2", "灯"]
    catalog = build_catalog(["a", "b", "c", "d"], titles, titles, [], TOKENIZER)
    attributes = [{}, {"brand": "赤松", "price": "18"}, {}, {}]
    builder = TaskTextBuilder(TOKENIZER, catalog, TextConfig(language="zh"), attributes)
    known = facts(
        features={"年龄": "25-34", "城市": "北京"},
        review="做工很好。\n推荐！",
        summary="好杆子",
        feature="做工",
        explanation="做工很好。",
    )
    task = builder.build(load_templates("zh")[template_id], known)
    assert told(task)[:2] == (question, answer)
    assert task.text.sentence_ends == [task.answer_start, len(task.text)]


def test_the_few_answers_are_those_of_the_language() -> None:
    for language, words in (("en", [" yes", " no"]), ("zh", [" 是", " 否"])):
        builder = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(language=language))
        assert [TOKENIZER.decode(ids) for ids in builder.choices("yes_no")] == words
        assert [TOKENIZER.decode(ids) for ids in builder.choices("rating")] == [" 1", " 2", " 3", " 4", " 5"]


def test_a_wrong_item_is_answered_with_no_in_chinese() -> None:
    builder = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(language="zh"))
    task = builder.build(load_templates("zh")["direct_yes_no/offer"], facts(question_item=3))
    assert TOKENIZER.decode(answer_ids(task)) == " 否"


def test_a_generated_text_that_ends_inside_a_character_loses_it() -> None:
    ids = TOKENIZER.encode_text(" 好🎸")
    assert len(ids) == 8, "a blank, three bytes and four bytes"
    expected = {8: "好🎸", 7: "好", 5: "好", 4: "好", 3: "", 1: ""}
    assert {count: whole_text(ids[:count], TOKENIZER.decode) for count in expected} == expected


def test_parts_of_which_nothing_is_known_are_left_out() -> None:
    question, _, entities = told(build("rating/score", features={"age": " "}))
    assert (
        question
        == "Profile. Past purchases: Red Tent; Stove; Fuel, 2. Product: Red Tent Pole. Expected score between 1 and 5:"
    )
    assert entities == [*PAST, " Red Tent Pole"]


def test_a_yes_no_question_about_another_item_tells_that_item_and_its_attributes_and_is_answered_no() -> None:
    question, answer, entities = told(build("direct_yes_no/fit", question_item=2, history=HISTORY[:1]))
    assert question == (
        "Purchases so far: Red Tent. Is Stove; Fuel, 2, brand Volt, category Fuel, the right thing to show now? yes or no:"
    )
    assert answer == " no"
    assert entities == [" Red Tent", " Stove; Fuel, 2", " Volt", " Fuel"]


def test_what_is_told_of_a_behaviour_is_as_in_plain_texts() -> None:
    question, _, _ = told(build("sequential/continue", {"behaviour_fields": ("rating",)}))
    assert question == "Continue this list of purchases by one item: Red Tent, rated 4; Stove; Fuel, 2."


def test_items_keep_their_index_and_other_entities_are_attributes() -> None:
    task = build("rating/stars")
    assert task.text.entity_items == [ATTRIBUTE, ATTRIBUTE, 0, 2, 1]
    assert build("sequential/next").text.entity_items[-1] == 1


@pytest.mark.parametrize(("rating", "answer"), [(1.0, " 1"), (3.49, " 3"), (3.5, " 4"), (5.0, " 5")])
def test_a_rating_is_asked_as_one_of_five_rounded_half_up(rating: float, answer: str) -> None:
    assert told(build("rating/stars", rating=rating))[1] == answer


@pytest.mark.parametrize(
    ("template_id", "changes", "message"),
    [
        ("rating/stars", {"rating": 5.5}, "a rating must be from 1 to 5 to be an answer, got 5.5"),
        ("rating/stars", {"rating": None}, r"rating/stars: the answer \(rating\) must be known"),
        ("rating/stars", {"history": []}, "rating/stars: field 'history' must have a value"),
        ("review_summary/gist", {"review": " \n"}, "review_summary/gist: field 'review' must have a value"),
        ("explanation_hint/about", {"feature": ""}, "explanation_hint/about: field 'feature' must have a value"),
        ("candidate/which", {"candidates": (0, 2)}, "must have the target among them, got 2 without item 1"),
        ("sequential/next", {"target": None}, r"the answer \(item\) must be known"),
    ],
)
def test_what_cannot_be_asked_is_refused(template_id: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        build(template_id, **changes)


def shortened(template_id: str, num_tokens: int, **changes: Any) -> TaskText:
    """The task with `num_tokens` fewer than it would have."""
    whole = build(template_id, {"max_tokens": 4096}, **changes)
    task = build(template_id, {"max_tokens": len(whole.text) + 2 - num_tokens}, **changes)
    assert len(task.text) <= len(whole.text) - num_tokens
    assert answer_ids(task) == answer_ids(whole)
    return task


def test_the_oldest_behaviour_is_dropped_first() -> None:
    history = [Behaviour(item=item, timestamp=0.0) for item in (3, 2, 0, 3)]
    lamp, stove = (len(CATALOG.items[item].token_ids) + 1 for item in (3, 2))
    cuts = (1, lamp, lamp + 1, lamp + stove, lamp + stove + 1)
    kept = [shortened("next_item/step", cut, history=history).text.entity_items[2:-1] for cut in cuts]
    assert kept == [[2, 0, 3], [2, 0, 3], [3, 0, 3], [0, 3], [3]]


def test_a_behaviour_that_takes_most_of_the_room_goes_before_the_oldest_if_more_are_told_then() -> None:
    history = [Behaviour(item=item, timestamp=0.0) for item in (3, 0, 3, 2, 0, 3)]
    lamp, stove = (len(CATALOG.items[item].token_ids) + 1 for item in (3, 2))
    assert shortened("next_item/step", 1, history=history).text.entity_items[2:-1] == [0, 3, 2, 0, 3]
    text = shortened("next_item/step", 2 * lamp + stove, history=history).text
    assert text.entity_items[2:-1] == [3, 0, 3]


def test_optional_parts_go_before_the_latest_behaviour_and_nothing_else_goes() -> None:
    template_id, minimal = (
        "next_item/session",
        "Session record: Stove; Fuel, 2. Complete the record with its next item.",
    )
    num_tokens = len(TOKENIZER.encode_text(minimal)) + len(CATALOG.items[1].token_ids) + 2
    assert told(build(template_id, {"max_tokens": num_tokens}))[0] == minimal
    with pytest.raises(
        DataError, match=r"next_item/session: the question needs at least \d+ tokens, but .* leaves \d+"
    ):
        build(template_id, {"max_tokens": num_tokens - 1})


def test_of_two_optional_parts_the_last_goes_first() -> None:
    whole = build("rating/score", target=2, history=HISTORY[:1])
    assert "city Berlin" in told(whole)[0]
    assert "brand Volt" in told(whole)[0]
    question = told(build("rating/score", {"max_tokens": len(whole.text) + 1}, target=2, history=HISTORY[:1]))[0]
    assert "city Berlin" in question
    assert "brand Volt" not in question


def test_a_long_review_is_cut_at_its_end_but_not_inside_a_character() -> None:
    review = "It rings 🎸🎸🎸🎸🎸🎸🎸🎸 well"
    for cut in range(1, 30):
        question = told(shortened("review_rating/infer", cut, review=review, features={}))[0]
        start = question.index(" It rings")
        assert review.startswith(question[start + 1 :])
        assert "�" not in question


def test_a_review_that_holds_the_replacement_character_is_cut_too() -> None:
    question = told(shortened("review_rating/infer", 10, review="�" * 20))[0]
    assert question.count("�") >= 15


def test_candidates_are_never_dropped() -> None:
    num_tokens = len(build("direct_choose/best", features={}, history=HISTORY[:1]).text) + 2
    with pytest.raises(DataError, match="lower the number of candidates"):
        build("direct_choose/best", {"max_tokens": num_tokens - 1}, features={}, history=HISTORY[:1])


def test_a_row_holds_the_columns_of_a_plain_example_and_three_more() -> None:
    row = build("sequential/continue").row()
    assert list(row) == [
        *("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends"),
        *("task", "template_id", "answer_start"),
    ]
    assert (row["task"], row["template_id"]) == ("sequential", "sequential/continue")
    assert TOKENIZER.decode(row["token_ids"][row["answer_start"] :]) == " Red Tent Pole"


def layout() -> ExampleBuilder:
    trie = build_token_trie([item.token_ids for item in CATALOG.items], TOKENIZER.special.end)
    return ExampleBuilder(ObjectiveConfig(), TOKENIZER.special, PositionAutomaton(CATALOG.pool()), trie)


@pytest.mark.parametrize("template_id", [template.template_id for template in TEMPLATES.templates])
def test_hiding_the_answer_gives_the_prompt_of_serving_and_the_answer_as_its_only_span(template_id: str) -> None:
    task = build(template_id)
    special = TOKENIZER.special
    example = layout().lay_out(task.text, [task.answer_span], special.gmask)
    prompt = build_prompt(task.question, special)
    part_a, part_b = example.token_ids[: example.part_a_len], example.token_ids[example.part_a_len :]
    assert part_a == prompt.token_ids == [special.cls, *task.question.token_ids, special.gmask, special.eos]
    assert example.intra_position_ids[: example.part_a_len] == prompt.intra_position_ids
    assert part_b == [special.start, *answer_ids(task)]
    assert example.labels[example.part_a_len :] == [*answer_ids(task), special.end]
    assert set(example.inter_position_ids[example.part_a_len :]) == {prompt.mask_position}


def test_an_answer_that_is_an_item_is_laid_out_as_the_supervised_path_does() -> None:
    task = build("sequential/continue")
    asked = layout().ask_for_item(task.text, len(task.text.entity_items) - 1)
    assert layout().lay_out(task.text, [task.answer_span], TOKENIZER.special.gmask) == asked


def test_a_question_without_an_answer_is_the_one_that_was_trained_on() -> None:
    builder = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(), ATTRIBUTES)
    template = TEMPLATES["direct_yes_no/fit"]
    served = builder.question(template, facts(target=None, question_item=1, rating=None, explanation=""), answer_len=1)
    assert served == build("direct_yes_no/fit").question


def test_choices_have_the_tokens_of_the_answers() -> None:
    builder = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig())
    assert [answer_ids(build("rating/stars", rating=float(r))) for r in range(1, 6)] == builder.choices("rating")
    assert [answer_ids(build("direct_yes_no/buy", question_item=item)) for item in (1, 0)] == builder.choices("yes_no")
    assert all(a != b for a, b in itertools.combinations(builder.choices("rating"), 2))
