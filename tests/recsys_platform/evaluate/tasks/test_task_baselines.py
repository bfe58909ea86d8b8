"""Answers from training events, against counts by hand."""

import pytest

from recsys_model.text.task_facts import TaskFacts
from recsys_platform.evaluate.tasks.baselines import TrainingAnswers


def training(*asked: TaskFacts) -> TrainingAnswers:
    """Return what is counted of seven events."""
    answers = TrainingAnswers(asked)
    for facts in (
        TaskFacts(target=1, rating=5.0, summary="Great", feature="flame", explanation="The flame is hot."),
        TaskFacts(target=1, rating=4.0, summary="Great", feature="flame", explanation="The flame is hot."),
        TaskFacts(target=1, rating=3.0, summary="Not bad at all", feature="pole", explanation="The pole bends."),
        TaskFacts(target=2, rating=1.0, summary="Poor", feature="pole", explanation="A pole broke."),
        TaskFacts(target=2, rating=1.0, summary="Poor", feature="pole", explanation="A  pole\nbroke."),
        TaskFacts(target=3, rating=1.0, summary="Poor", feature="pole", explanation="A pole broke."),
        TaskFacts(target=3),
    ):
        answers.add(facts)
    return answers


def test_an_items_mean_is_drawn_towards_the_mean_of_all_training_ratings():
    answers = training(TaskFacts(target=1), TaskFacts(target=4))

    assert answers.mean_rating() == pytest.approx(15 / 6)
    assert answers.item_mean(1) == pytest.approx((12 + 5 * 2.5) / (3 + 5))
    assert answers.item_mean(4) == pytest.approx(2.5), "nobody rated it"


def test_a_headline_is_that_of_the_item_of_all_or_the_beginning_of_the_review():
    known = TaskFacts(target=1, review="Works as it should, day after day.")
    unknown = TaskFacts(target=9, review="Bad")
    answers = training(known, unknown)

    # training headlines have 1 + 1 + 4 + 1 + 1 + 1 = 9 words in 6, so 2 words
    assert answers.texts(known, is_summary=True, has_hint=False) == {
        "same_item": "Great",
        "most_frequent": "Poor",
        "review_lead": "Works as",
    }
    expected = {"same_item": "Poor", "most_frequent": "Poor", "review_lead": "Bad"}
    assert answers.texts(unknown, is_summary=True, has_hint=False) == expected


@pytest.mark.parametrize(
    ("target", "feature", "has_hint", "same_item", "most_frequent"),
    [
        (1, "pole", False, "The flame is hot.", "A pole broke."),
        (1, "pole", True, "The pole bends.", "A pole broke."),
        (2, "flame", True, "A pole broke.", "The flame is hot."),
        (9, "flame", True, "A pole broke.", "The flame is hot."),
    ],
)
def test_an_explanation_is_that_of_the_item_with_the_hint_word_where_there_is_one(
    target, feature, has_hint, same_item, most_frequent
):
    facts = TaskFacts(target=target, feature=feature)

    found = training(facts).texts(facts, is_summary=False, has_hint=has_hint)

    assert found == {"same_item": same_item, "most_frequent": most_frequent}


def test_what_the_question_hides_is_never_part_of_a_baseline():
    hidden = TaskFacts(
        target=1, rating=1.0, summary="Secret", feature="flame", explanation="A secret flame.", review="x"
    )

    answers = training(hidden)

    texts = {**answers.texts(hidden, is_summary=True, has_hint=False)}
    texts |= answers.texts(hidden, is_summary=False, has_hint=True)
    assert not any("ecret" in text for text in texts.values())
    assert answers.mean_rating() == pytest.approx(15 / 6)
