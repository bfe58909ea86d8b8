"""Scores of given answers equal teacher forcing of each, normalised over the answers or over the vocabulary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.decoding.answer_scorer import AnswerScorer, expected_value
from recsys_model.entities.pool import EntityPool
from recsys_model.errors import ConfigError, DataError
from recsys_model.infilling.positions import PositionAutomaton
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model, make_prompt, next_logits

MODEL = make_model(3)
AUTOMATON = PositionAutomaton(EntityPool([(0, 1), (0, 1, 2), (3,), (2, 2, 1)]))
ANSWERS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5).map(tuple), min_size=1, max_size=12, unique=True)


def teacher_forced(prompt, answers, scoring):
    """One forward pass per answer, and a prefix search over lists."""
    ended = [[*answer, SPECIAL.end] for answer in answers]
    scores = []
    for tokens in ended:
        logits = next_logits(MODEL, AUTOMATON, prompt, tokens[:-1])
        score = 0.0
        for depth, token in enumerate(tokens):
            siblings = sorted({other[depth] for other in ended if other[:depth] == tokens[:depth]})
            allowed = siblings if scoring == "trie" else list(range(logits.shape[1]))
            score += float(logits[depth, token] - logits[depth, allowed].logsumexp(0))
        scores.append(score)
    return scores


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 19), max_size=5), ANSWERS), min_size=1, max_size=4),
    st.sampled_from(["trie", "lm"]),
)
def test_each_answer_of_each_prompt_has_the_score_of_teacher_forcing(requests, scoring):
    prompts = [make_prompt(text) for text, _ in requests]
    found = AnswerScorer(MODEL, SPECIAL, AUTOMATON, scoring).log_probs(prompts, [answers for _, answers in requests])
    for prompt, (_, answers), scores in zip(prompts, requests, found, strict=True):
        assert scores == pytest.approx(teacher_forced(prompt, answers, scoring), abs=1e-5)
        if scoring == "trie":
            assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-5)


def test_a_single_answer_is_certain_and_leaves_its_neighbours_alone():
    answers = [[(1,), (2,)], [(4, 4)], [(1, 2), (1, 3), (0,)]]
    prompts = [make_prompt([5]), make_prompt([6, 7]), make_prompt([8])]
    answer_scorer = AnswerScorer(MODEL, SPECIAL, AUTOMATON)
    found = answer_scorer.log_probs(prompts, answers)
    assert found[1] == [0.0]
    for row in (0, 2):
        assert found[row] == pytest.approx(answer_scorer.log_probs([prompts[row]], [answers[row]])[0], abs=1e-5)


def test_no_prompts_have_no_scores():
    assert AnswerScorer(MODEL, SPECIAL, AUTOMATON).log_probs([], []) == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "entry 0 must have an answer to choose, got none"),
        ([(1,), (2,), (1,)], r"entry 0 must have distinct answers, got \(1,\) more than once"),
        ([()], "must not be empty"),
        ([(1, SPECIAL.end)], r"nor contain 23 \(\[E\]\)"),
    ],
)
def test_answers_that_are_none_or_not_distinct_are_refused(answers, message):
    with pytest.raises(DataError, match=message):
        AnswerScorer(MODEL, SPECIAL, AUTOMATON).log_probs([make_prompt([1])], [answers])


def test_every_prompt_needs_its_answers():
    with pytest.raises(DataError, match="got 1 prompts and 0 sets"):
        AnswerScorer(MODEL, SPECIAL, AUTOMATON).log_probs([make_prompt([1])], [])


def test_an_answer_longer_than_the_position_tables_is_refused():
    pool = PositionAutomaton(EntityPool([tuple([1] * 45)]))
    with pytest.raises(ConfigError, match="the longest answer needs 46"):
        AnswerScorer(MODEL, SPECIAL, pool).log_probs([make_prompt([1])], [[tuple([1] * 45), (2,)]])


def test_the_expected_rating_is_the_mean_under_normalised_probabilities():
    probabilities = np.array([0.02, 0.02, 0.04, 0.08, 0.04])
    expected = (1 * 0.1 + 2 * 0.1 + 3 * 0.2 + 4 * 0.4 + 5 * 0.2) / 1.0
    assert expected_value(np.log(probabilities).tolist(), [1, 2, 3, 4, 5]) == pytest.approx(expected)
    assert expected_value([-2000.0, -2001.0], [1, 5]) == pytest.approx(1 + 4 / (1 + np.e))
