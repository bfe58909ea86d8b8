"""Figures of each kind of task from literal answers, against loops over the questions."""

import math

import numpy as np
import pytest

from recsys_model.evaluation.baselines import CoOccurrence, Popularity
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.textualize import Behaviour
from recsys_platform.evaluate.tasks.answers import TaskAnswer
from recsys_platform.evaluate.tasks.baselines import TrainingAnswers
from recsys_platform.evaluate.tasks.cases import HeldOutEvent, TaskCase
from recsys_platform.evaluate.tasks.metrics import TaskMeter, Training

# item 3 was taken four times, 1 three times, 0 twice, 2 once, 4 never; after 0 came 1 twice
SEQUENCES = [[3, 3, 0, 1], [3, 0, 1], [3, 2], [1]]


def question(task: str, user: str, *, seen: tuple[int, ...] = (), **facts) -> TaskCase:
    event = HeldOutEvent(
        user_id=user,
        target_index=2,
        facts=TaskFacts(**facts),
        own_items=frozenset(),
        seen_items=frozenset(seen),
    )
    return TaskCase(task=task, templates="seen", template_id=f"{task}/x", event=event)


def measured(answered, *, training_facts=(), exclude_seen: bool = False) -> dict[str, dict[str, float]]:
    """Return the figures without their intervals, which must hold them."""
    known = TrainingAnswers(case.facts for case, _ in answered)
    for facts in training_facts:
        known.add(facts)
    training = Training(answers=known, popularity=Popularity(SEQUENCES, 5), co_occurrence=CoOccurrence(SEQUENCES, 5))
    meter = TaskMeter(training, num_samples=20, seed=0, exclude_seen=exclude_seen)
    figures = meter.measure(answered)
    for estimates in figures.values():
        assert all(estimate.low <= estimate.value <= estimate.high for estimate in estimates.values())
    return {method: {name: each.value for name, each in estimates.items()} for method, estimates in figures.items()}


def log(*probabilities: float) -> tuple[float, ...]:
    return tuple(math.log(value) for value in probabilities)


def test_a_rating_is_the_expected_or_the_most_likely_value_and_both_are_measured_against_what_the_user_gave():
    certain = TaskAnswer(question="", scores=log(0.01, 0.01, 0.01, 0.01, 0.96))
    torn = TaskAnswer(question="", scores=log(0.5, 0.0001, 0.0001, 0.0001, 0.4997))
    answered = [
        (question("rating", "a", target=1, rating=4.5), certain),
        (question("rating", "b", target=2, rating=1.0), torn),
    ]
    trained = [TaskFacts(target=1, rating=5.0), TaskFacts(target=3, rating=2.0)]

    found = measured(answered, training_facts=trained)

    errors = [0.01 + 0.02 + 0.03 + 0.04 + 4.8 - 4.5, 0.5 + 0.0009 + 2.4985 - 1.0]
    assert found["expected_rating"]["mae"] == pytest.approx(sum(map(abs, errors)) / 2)
    assert found["expected_rating"]["rmse"] == pytest.approx(math.sqrt(sum(error**2 for error in errors) / 2))
    assert found["most_likely_rating"] == {"rmse": pytest.approx(math.sqrt(0.25 / 2)), "mae": pytest.approx(0.5 / 2)}
    assert set(found) == {"expected_rating", "most_likely_rating", "item_mean", "mean_rating"}
    assert found["mean_rating"]["mae"] == pytest.approx((1.0 + 2.5) / 2)
    assert found["item_mean"]["mae"] == pytest.approx((4.5 - (5 + 5 * 3.5) / 6 + 2.5) / 2)


def test_a_target_is_ranked_among_its_candidates_and_loses_ties():
    candidates = [4, 1, 3, 0]
    answered = [
        (
            question("candidate", "a", target=1, candidates=candidates),
            TaskAnswer(question="", scores=(-9.0, -1, -2, -3)),
        ),
        (
            question("candidate", "b", target=1, candidates=candidates),
            TaskAnswer(question="", scores=(-2.0, -2, -1, -2)),
        ),
    ]

    found = measured(answered)

    assert set(found["recsysllm"]) == {"hr_at_1", "ndcg_at_5", "ndcg_at_10"}, "all four are among the first five"
    assert found["recsysllm"]["hr_at_1"] == 0.5
    assert found["recsysllm"]["ndcg_at_5"] == pytest.approx((1.0 + 1.0 / math.log2(5)) / 2), "ranks 1 and 4"
    assert found["popularity"]["hr_at_1"] == 0.0
    assert found["popularity"]["ndcg_at_10"] == pytest.approx(1.0 / math.log2(3)), "item 3 is more popular"


@pytest.mark.parametrize(("exclude_seen", "co_occurrence", "popularity"), [(False, 1.0, 2), (True, 1.0, 1)])
def test_next_items_are_ranked_in_the_whole_catalogue(exclude_seen, co_occurrence, popularity):
    history = (Behaviour(item=3, timestamp=0.0), Behaviour(item=0, timestamp=1.0))
    answered = [
        (question("sequential", "a", target=1, history=history, seen=(3, 0)), TaskAnswer(question="", items=(4, 1, 0))),
        (question("sequential", "b", target=1, history=history, seen=(3, 0)), TaskAnswer(question="", items=(4, 2, 0))),
    ]

    found = measured(answered, exclude_seen=exclude_seen)

    assert found["recsysllm"]["hr_at_1"] == 0.0
    assert found["recsysllm"]["hr_at_5"] == 0.5
    assert found["recsysllm"]["ndcg_at_10"] == pytest.approx(1.0 / math.log2(3) / 2)
    assert found["co_occurrence"]["hr_at_1"] == co_occurrence
    assert found["popularity"]["ndcg_at_5"] == pytest.approx(1.0 / math.log2(popularity + 1))


def test_yes_no_pairs_give_accuracy_and_auc():
    def pair(user: str, wrong: int, odds: tuple[float, float]):
        facts = [{"target": 1}, {"target": 1, "question_item": wrong}]
        scores = [log(1 / (1 + math.exp(-value)), 1 / (1 + math.exp(value))) for value in odds]
        return [
            (question("direct_yes_no", user, **known), TaskAnswer(question="", scores=each))
            for known, each in zip(facts, scores, strict=True)
        ]

    answered = [*pair("a", 3, (2.0, -1.0)), *pair("b", 4, (0.5, 1.0)), *pair("c", 2, (-0.5, -3.0))]

    found = measured(answered)

    assert found["recsysllm"]["accuracy"] == pytest.approx(4 / 6)
    right, wrong = [2.0, 0.5, -0.5], [-1.0, 1.0, -3.0]
    assert found["recsysllm"]["auc"] == pytest.approx(np.mean([yes > no for yes in right for no in wrong]))
    assert found["popularity"] == {"auc": pytest.approx(6 / 9)}, "3 events against 4, 0 and 1 of the wrong items"


@pytest.mark.parametrize(
    ("task", "bleu", "methods"),
    [
        ("review_summary", "bleu_2", {"recsysllm", "same_item", "most_frequent", "review_lead"}),
        ("explanation", "bleu_4", {"recsysllm", "same_item", "most_frequent"}),
        ("explanation_hint", "bleu_4", {"recsysllm", "same_item", "most_frequent"}),
    ],
)
def test_texts_are_measured_against_what_the_user_wrote(task, bleu, methods):
    written = "the flame is very hot"
    known = {"target": 1, "summary": written, "explanation": written, "feature": "flame", "review": "so hot"}
    answered = [
        (question(task, "a", **known), TaskAnswer(question="", text=written)),
        (question(task, "b", **known), TaskAnswer(question="", text="")),
    ]

    found = measured(
        answered, training_facts=[TaskFacts(target=1, summary="cold", explanation="cold", feature="flame")]
    )

    assert set(found) == methods
    assert set(found["recsysllm"]) == {bleu, f"{bleu}_effective", "rouge_1", "rouge_2", "rouge_l"}
    assert found["recsysllm"]["rouge_l"] == pytest.approx(50.0)
    assert found["recsysllm"][bleu] == pytest.approx(100.0 * math.exp(1 - 10 / 5)), "all words right, half as long"
    assert found["recsysllm"][f"{bleu}_effective"] == found["recsysllm"][bleu]
    assert found["most_frequent"][bleu] == 0.0, "the answers of one word have no group of two"
    assert found["most_frequent"]["rouge_1"] == 0.0


CHINESE = {"target": 1, "summary": "很好用", "explanation": "做工很好。", "review": "做工很好。火力也很足！"}


def meter_of(answered, language: str, training_facts=()) -> TaskMeter:
    known = TrainingAnswers((case.facts for case, _ in answered), language)
    for facts in training_facts:
        known.add(facts)
    training = Training(answers=known, popularity=Popularity(SEQUENCES, 5), co_occurrence=CoOccurrence(SEQUENCES, 5))
    return TaskMeter(training, num_samples=20, seed=0, exclude_seen=False, language=language)


def test_chinese_texts_are_measured_by_characters():
    answered = [(question("review_summary", "a", **CHINESE), TaskAnswer(question="", text="好用"))]
    trained = [TaskFacts(target=1, summary="火力足")]

    found = meter_of(answered, "zh", trained).measure(answered)

    assert {name: each.value for name, each in found["recsysllm"].items()} == pytest.approx(
        {
            "bleu_2": 100.0 * math.exp(1 - 3 / 2),
            "rouge_1": 100 * 2 * 1.0 * (2 / 3) / (1.0 + 2 / 3),
            "rouge_2": 100 * 2 * 1.0 * (1 / 2) / (1.0 + 1 / 2),
            "rouge_l": 100 * 2 * 1.0 * (2 / 3) / (1.0 + 2 / 3),
        }
    )
    # the first three characters of the review, as the only headline of training has three: 做工很
    assert found["review_lead"]["rouge_1"].value == pytest.approx(100 * 1 / 3)
    assert meter_of(answered, "zh", trained).warnings(answered) == []


def test_english_metrics_on_chinese_texts_come_with_warnings_and_the_way_out():
    answered = [(question("review_summary", "a", **CHINESE), TaskAnswer(question="", text="很好用"))]

    meter = meter_of(answered, "en", [TaskFacts(target=1, summary="火力足")])

    assert meter.measure(answered)["recsysllm"]["rouge_1"].value == 0.0
    warnings = meter.warnings(answered)
    assert [warning.split(":")[0] for warning in warnings] == [
        "ROUGE keeps the letters a to z and digits alone",
        "BLEU takes what stands between blanks for one word",
        "BLEU-2 of RecSysLLM, training text of the same item, most frequent training text, first words of the review is "
        "0 by construction",
    ]
    assert all("text.language: zh" in warning for warning in warnings[:2])


def test_a_bleu_that_is_0_by_construction_is_named_and_has_effective_order_beside_it():
    known = {"target": 1, "explanation": "the flame is hot", "feature": "flame"}
    answered = [
        (question("explanation", "a", **known), TaskAnswer(question="", text="the flame is")),
        (question("explanation", "b", **known), TaskAnswer(question="", text="hot")),
    ]
    meter = meter_of(answered, "en", [TaskFacts(target=1, explanation="the flame is hot", feature="flame")])

    found = meter.measure(answered)

    assert list(found["recsysllm"]) == ["bleu_4", "bleu_4_effective", "rouge_1", "rouge_2", "rouge_l"]
    assert found["recsysllm"]["bleu_4"].value == 0.0
    # 4 of 4 words, 2 of 2 pairs and 1 of 1 triples are right; 4 words in place of 8
    assert found["recsysllm"]["bleu_4_effective"].value == pytest.approx(100.0 * math.exp(1 - 8 / 4))
    assert found["same_item"]["bleu_4_effective"] == found["same_item"]["bleu_4"]
    assert meter.warnings(answered) == [
        "BLEU-4 of RecSysLLM is 0 by construction: none of the answers has 4 words; BLEU-4 with effective order goes up "
        "to the longest groups that there are"
    ]


def test_tasks_without_free_text_have_no_warnings():
    answered = [
        (question("rating", "a", target=1, rating=4.0), TaskAnswer(question="", scores=log(0.1, 0.1, 0.1, 0.1, 0.6)))
    ]
    assert meter_of(answered, "en").warnings(answered) == []
