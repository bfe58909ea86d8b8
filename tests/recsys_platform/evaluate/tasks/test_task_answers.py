"""Answers of a tiny model with random weights: in batches as each alone, and as the decoders give them."""

import dataclasses
from dataclasses import dataclass

import pytest
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, GenerationConfig, GLMConfig, TextConfig
from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.text import TextGenerator
from recsys_model.entities.catalog import build_catalog
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_text import TaskTextBuilder
from recsys_model.text.tasks import TASKS
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import Behaviour
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.evaluate.tasks.answers import TaskAnswer, TaskAnswerer
from recsys_platform.evaluate.tasks.cases import CaseBuilder, HeldOutEvent, TaskCase
from recsys_platform.evaluate.tasks.workers import build_task_batches
from recsys_platform.task_columns import ItemFacts, TaskSource

TITLES = ["Red Tent", "Red Tent Pole", "Stove", "Lamp", "Rope", "Blue Tent"]
TOKENIZER = train_tokenizer([*TITLES, *(template.text for template in load_templates().templates)], vocab_size=800)
CATALOG = build_catalog(list("abcdef"), TITLES, TITLES, [], TOKENIZER)
ITEMS = ItemFacts(categories=[()] * 6, attributes=[{}] * 6)
DECODING = DecodingConfig(num_beams=10)
GENERATION = GenerationConfig(max_tokens=6, num_beams=2)
CASES = CaseBuilder(load_templates(), seed=3, num_items=6, num_candidates=3)


def event(user: int, *, review: str = "It burns well.", **changes) -> HeldOutEvent:
    history = tuple(Behaviour(item=item % 6, timestamp=0.0) for item in range(user, user + 1 + user % 4))
    facts = TaskFacts(
        target=(user + 5) % 6,
        history=history,
        rating=4.0,
        review=review * (user + 1),
        summary="Hot",
        feature="flame",
        explanation="The flame is hot.",
    )
    own = frozenset({(user + 5) % 6, user % 6})
    facts = dataclasses.replace(facts, **changes)
    return HeldOutEvent(user_id=f"u{user}", target_index=4, facts=facts, own_items=own, seen_items=own - {facts.target})


EVENTS = [event(user) for user in range(4)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A model, and what answers with it."""

    model: GLM
    answerer: TaskAnswerer


def ask(max_tokens: int = 128, exclude_seen: bool = False) -> Asked:
    geometry = GLMConfig(
        num_layers=1, hidden_size=16, num_heads=2, vocab_size=TOKENIZER.vocab_size, max_sequence_length=256
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GLM(geometry).eval()
        torch.nn.init.normal_(model.word_embeddings.weight, std=1.0)  # far apart, so that answers do not tie
    source = TaskSource(TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(max_tokens=max_tokens)), ITEMS, CATALOG)
    answerer = TaskAnswerer(model, source, TOKENIZER, DECODING, GENERATION, intra_mode="run", exclude_seen=exclude_seen)
    return Asked(model, answerer)


def same(found: TaskAnswer | None, expected: TaskAnswer | None) -> bool:
    """Say whether two answers are the same but for what padding does to scores."""
    assert found is not None
    assert expected is not None
    assert found.scores == pytest.approx(expected.scores, abs=1e-4)
    return dataclasses.replace(found, scores=()) == dataclasses.replace(expected, scores=())


@pytest.mark.parametrize("task", list(TASKS))
def test_a_question_is_answered_in_a_batch_as_alone(task):
    cases = CASES.build(task, "seen", EVENTS)
    answerer = ask().answerer

    together = answerer.answer(cases)

    alone = [answerer.answer([case])[0] for case in cases]
    assert all(same(found, expected) for found, expected in zip(together, alone, strict=True))
    assert len({answer.question for answer in alone if answer is not None}) > 1


def prompt_of(case: TaskCase, answer: TaskAnswer) -> Prompt:
    """Build the prompt from the words that the answer shows, where each title is one entity again."""
    text = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(max_tokens=128)).question(
        load_templates()[case.template_id], case.facts, answer_len=6
    )
    assert TOKENIZER.decode(text.token_ids).strip() == answer.question
    return build_prompt(text, TOKENIZER.special, "run")


def test_each_kind_of_task_goes_to_its_decoder():
    asked = ask()
    model, special = asked.model, TOKENIZER.special
    automaton = PositionAutomaton(CATALOG.pool(), "run")
    answer_scorer = AnswerScorer(model, special, automaton)

    def answered(task: str) -> tuple[TaskCase, TaskAnswer, Prompt]:
        case = CASES.build(task, "unseen", EVENTS[1:2])[0]
        [answer] = asked.answerer.answer([case])
        assert answer is not None
        return case, answer, prompt_of(case, answer)

    _, answer, prompt = answered("sequential")
    [found] = TrieGuidedGenerator(model, CATALOG, special, DECODING).recommend([prompt], 10)
    assert answer == TaskAnswer(question=answer.question, items=tuple(each.item for each in found))
    assert sorted(answer.items) == [0, 1, 2, 3, 4, 5]

    case, answer, prompt = answered("candidate")
    tokens = [TOKENIZER.encode_entity(TITLES[item]) for item in case.facts.candidates]
    assert answer.scores == pytest.approx(answer_scorer.log_probs([prompt], [tokens])[0], abs=1e-5)

    for task, words in (("rating", " 1 2 3 4 5"), ("direct_yes_no", " yes no")):
        _, answer, prompt = answered(task)
        tokens = [TOKENIZER.encode_text(f" {word}") for word in words.split()]
        assert answer.scores == pytest.approx(answer_scorer.log_probs([prompt], [tokens])[0], abs=1e-5)

    _, answer, prompt = answered("explanation")
    [text] = TextGenerator(model, special, automaton, GENERATION).generate([prompt])
    assert answer.text == TOKENIZER.decode(text.token_ids).strip() != ""


def test_a_users_own_items_are_left_out_only_where_that_is_asked_for():
    cases = CASES.build("next_item", "seen", EVENTS)

    kept, left_out = (ask(exclude_seen=choice).answerer.answer(cases) for choice in (False, True))

    for case, one, other in zip(cases, kept, left_out, strict=True):
        assert one is not None
        assert other is not None
        assert set(one.items) == {0, 1, 2, 3, 4, 5}
        assert other.items == tuple(item for item in one.items if item not in case.event.seen_items)


def test_a_question_does_not_change_with_the_length_of_the_right_answer():
    sentences = ("Hot.", "The flame is hot and it is very bright at night.")
    [short, long] = [CASES.build("explanation", "seen", [event(3, explanation=text)]) for text in sentences]
    template, builder = (
        load_templates()[short[0].template_id],
        TaskTextBuilder(TOKENIZER, CATALOG, TextConfig(max_tokens=48)),
    )
    lengths = [len(builder.build(template, case.facts).question) for [case] in (short, long)]
    assert lengths[0] > lengths[1], "the training example of the longer answer has less room for its question"
    answerer = ask(max_tokens=48).answerer

    assert answerer.answer(short) == answerer.answer(long) != [None]


def test_a_question_that_does_not_fit_is_not_answered_and_the_others_are():
    cases = CASES.build("candidate", "seen", EVENTS)
    crowded = [
        dataclasses.replace(case, event=dataclasses.replace(case.event, facts=facts))
        for case in cases
        for facts in [dataclasses.replace(case.facts, candidates=tuple(case.facts.candidates) * 9)]
    ]
    answerer = ask(max_tokens=64).answerer

    answers = answerer.answer([crowded[0], cases[1], crowded[2]])

    assert answers[0] is None
    assert answers[2] is None
    assert answers[1] == answerer.answer([cases[1]])[0] is not None


def test_a_batch_holds_one_task_and_the_longest_questions_come_first():
    cases = [case for task in ("rating", "review_summary") for case in CASES.build(task, "seen", EVENTS)]

    batches = build_task_batches(cases, CATALOG, batch_size=3)

    assert sorted(place for batch in batches for place, _ in batch) == list(range(8))
    assert all(cases[place] is case for batch in batches for place, case in batch)
    assert all(len({case.task for _, case in batch}) == 1 for batch in batches)
    # reviews of 1 to 4 sentences, and histories of 1 to 4 items beside them
    places = {
        task: [p for batch in batches for p, case in batch if case.task == task]
        for task in ("rating", "review_summary")
    }
    assert places == {"rating": [3, 2, 1, 0], "review_summary": [7, 6, 5, 4]}
