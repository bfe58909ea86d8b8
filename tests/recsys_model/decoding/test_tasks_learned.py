"""The whole way of a question: text, layout, loss, and decoding gives the answers back that were trained on."""

import itertools

import numpy as np
import pytest
import torch

from recsys_model.backbones.base import FullAttention, part_a_and_part_b_mask
from recsys_model.backbones.glm import GLM
from recsys_model.config import GenerationConfig, GLMConfig, ObjectiveConfig, TextConfig
from recsys_model.decoding.answer_scorer import AnswerScorer, expected_value
from recsys_model.decoding.text import TextGenerator
from recsys_model.entities.catalog import build_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, ExampleBuilder
from recsys_model.infilling.positions import IntraMode, PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_text import TaskTextBuilder
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import Behaviour
from recsys_model.text.tokenizer import train_tokenizer
from tests.recsys_model.text.task_answers import answer_ids

TITLES = ["Red Tent", "Red Tent Pole", "Stove", "Lamp"]
SENTENCES = ["It is light.", "Red Tent beats it.", "Burns well!", "bright, not warm"]
QUESTIONS = ["rating/stars", "sequential/next", "explanation/why", "review_summary/gist", "direct_yes_no/buy"]
TOKENIZER = train_tokenizer([*TITLES, *SENTENCES, *(t.text for t in load_templates().templates)], vocab_size=700)
CATALOG = build_catalog(["a", "b", "c", "d"], TITLES, TITLES, [], TOKENIZER)
TASK_TEXTS = TaskTextBuilder(TOKENIZER, CATALOG, TextConfig())
MODE: IntraMode = "run"
"""With `paper` every plain word of an answer has the same position ids, so order is much harder to learn."""
FACTS = [
    TaskFacts(
        target=item,
        history=[Behaviour(item=(item + 1) % 4, timestamp=0.0)],
        rating=float(item + 2),
        question_item=item if item % 2 == 0 else 0,
        review=SENTENCES[item] * 2,
        summary=SENTENCES[-item],
        explanation=SENTENCES[item],
    )
    for item in range(4)
]


def test_a_model_gives_the_answers_back_that_it_was_trained_on() -> None:
    tasks = [TASK_TEXTS.build(load_templates()[name], facts) for name, facts in itertools.product(QUESTIONS, FACTS)]
    special, automaton = TOKENIZER.special, PositionAutomaton(CATALOG.pool(), MODE)
    trie = build_token_trie([item.token_ids for item in CATALOG.items], special.end)
    layout = ExampleBuilder(ObjectiveConfig(intra_mode=MODE), special, automaton, trie)
    batch = pad_examples([layout.lay_out(task.text, [task.answer_span], special.gmask) for task in tasks], special.pad)
    model = trained_model(batch)
    prompts = [build_prompt(task.question, special, MODE) for task in tasks]

    written = TextGenerator(model, special, automaton, GenerationConfig(max_tokens=20, num_beams=2)).generate(prompts)
    assert [list(text.token_ids) for text in written] == [answer_ids(task) for task in tasks]
    assert all(text.is_complete and text.log_prob > np.log(0.5) for text in written)

    answer_scorer = AnswerScorer(model, special, automaton)
    ratings = answer_scorer.log_probs(prompts[:4], [TASK_TEXTS.choices("rating")] * 4)
    assert [expected_value(row, [1, 2, 3, 4, 5]) for row in ratings] == pytest.approx([2, 3, 4, 5], abs=0.5)
    answers = answer_scorer.log_probs(prompts[-4:], [TASK_TEXTS.choices("yes_no")] * 4)
    assert [int(np.argmax(row)) for row in answers] == [0, 1, 0, 1], "yes, no, yes, no"


def trained_model(batch: Batch) -> GLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GLM(
            GLMConfig(
                num_layers=2,
                hidden_size=64,
                num_heads=4,
                vocab_size=TOKENIZER.vocab_size,
                max_sequence_length=128,
            )
        )
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    visible = part_a_and_part_b_mask(batch.part_a_lens, batch.token_ids.shape[1])
    is_target = batch.labels != IGNORED_LABEL
    for _ in range(140):
        hidden = model(batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, FullAttention(visible))
        loss = torch.nn.functional.cross_entropy(model.logits(hidden[is_target]), batch.labels[is_target])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
