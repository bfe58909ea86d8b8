"""Questions in the batches of a run: only seen templates, every family, the same ones after a restart."""

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.distributed as dist

from recsys_model.entities.catalog import Catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import IGNORED_LABEL, WHOLE_VOCABULARY, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.task_text import TaskText
from recsys_model.text.tasks import TASKS
from recsys_model.text.templates import load_templates
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.config.run import RunConfig
from recsys_platform.task_columns import FACT_COLUMNS
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.questions import check_tasks, load_questions, warnings_of
from recsys_platform.train.reader import ExampleReader
from recsys_platform.train.validation import build_question_batches, build_validation
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset
from tests.recsys_platform.tiny_tasks import FAMILIES, tiny_task_config, write_tiny_tasks

NUM_USERS = 24
STEPS_PER_EPOCH = 2


@dataclass(frozen=True)
class Ready:
    config: RunConfig
    catalog: Catalog
    tokenizer: Tokenizer
    builder: ExampleBuilder

    @property
    def collator(self) -> ExampleCollator:
        return ExampleCollator(self.builder, self.tokenizer.special.pad)

    def batches(self, collator, rank: int = 0, num_workers: int = 1, **tasks) -> TrainingBatches:
        folder = self.config.dataset_folder
        return TrainingBatches(
            ExampleReader(folder / "examples" / "train", FACT_COLUMNS),
            collator,
            seed=5,
            micro_batch_size=12 // num_workers,
            accumulation_steps=1,
            worker_rank=rank,
            num_workers=num_workers,
            questions=load_questions(dataclasses.replace(self.config.tasks, **tasks), folder),
        )


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Ready:
    config = tiny_task_config(tmp_path_factory.mktemp("questions"))
    catalog = write_tiny_tasks(config)
    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    objective = dataclasses.replace(config.objective, item_loss="trie")
    automaton = PositionAutomaton(catalog.pool(), objective.intra_mode)
    return Ready(config, catalog, tokenizer, ExampleBuilder(objective, tokenizer.special, automaton, trie))


def texts_and_keys(texts, keys):
    """Stand in for a collator: give back what it would have been given."""
    return list(zip(texts, keys, strict=True))


def drawn(batches: TrainingBatches, first: int, last: int) -> list:
    steps = batches.from_step(first)
    return [pair for _ in range(first, last) for part in next(steps) for pair in part]


def fixed_words(text: str) -> list[str]:
    """The longest stretch of a template's words without field or bracket, for each template."""
    return sorted(re.split(r"\{[^{}]*\}|[\[\]]", text), key=len)[-1].split()


def test_unseen_templates_never_reach_a_training_batch_and_every_family_does(ready):
    pairs = drawn(ready.batches(texts_and_keys, template_share=1.0), 0, 60 * STEPS_PER_EPOCH)
    questions = [text for text, _ in pairs if isinstance(text, TaskText)]
    templates = load_templates()
    split_of = {template.template_id: template.split for template in templates.templates}

    assert len(pairs) == 60 * NUM_USERS
    assert {split_of[question.template_id] for question in questions} == {"seen"}
    assert {TASKS[question.task].family for question in questions} == set(FAMILIES)
    seen = {template.template_id for template in templates.templates if template.split == "seen"}
    assert {question.template_id for question in questions} == seen
    # and not in other words either: the wording of an unseen template stands in no text
    texts = [" ".join(ready.tokenizer.decode(question.text.token_ids).split()) for question in questions]
    for template in templates.templates:
        words = " ".join(fixed_words(template.text))
        if template.split == "unseen" and len(words) > 12:
            assert not any(words in text for text in texts), template.template_id


def test_the_share_of_questions_is_the_configured_one_and_the_rest_is_told_plainly(ready):
    pairs = drawn(ready.batches(texts_and_keys), 0, 40 * STEPS_PER_EPOCH)
    share = sum(isinstance(text, TaskText) for text, _ in pairs) / len(pairs)

    # 960 draws with probability 0.8: five standard deviations
    assert share == pytest.approx(0.8, abs=5 * (0.8 * 0.2 / len(pairs)) ** 0.5)
    plain = [text for text, _ in pairs if not isinstance(text, TaskText)]
    assert all(ready.tokenizer.decode(text.token_ids).startswith("User: city Rome. History:") for text in plain)


def test_an_event_is_asked_anew_each_epoch_and_the_same_by_whoever_asks(ready):
    alone = drawn(ready.batches(texts_and_keys), 0, 3 * STEPS_PER_EPOCH)
    shared = [
        pair
        for rank in range(2)
        for pair in drawn(ready.batches(texts_and_keys, rank, num_workers=2), 0, 3 * STEPS_PER_EPOCH)
    ]

    assert sorted(map(repr, alone)) == sorted(map(repr, shared))
    asked: dict[str, set[str]] = {}
    for text, (_, _, user, _) in alone:
        asked.setdefault(user, set()).add(text.template_id if isinstance(text, TaskText) else "")
    assert max(len(ways) for ways in asked.values()) == 3


@pytest.mark.parametrize("start", [1, 2, 5])
def test_a_run_that_goes_on_at_a_step_trains_on_the_very_same_tensors(ready, start):
    whole = ready.batches(ready.collator).from_step(0)
    expected = [next(whole) for _ in range(7)][start:]
    resumed = ready.batches(ready.collator).from_step(start)

    for [theirs], [ours] in zip(expected, resumed, strict=False):
        for name in ("token_ids", "inter_position_ids", "intra_position_ids", "labels", "trie_nodes", "part_a_lens"):
            assert torch.equal(getattr(theirs, name), getattr(ours, name)), name


def examples_of(ready: Ready, family: str) -> list:
    questions = load_questions(ready.config.tasks, ready.config.dataset_folder)
    assert questions is not None
    asking = questions.of_family(family)
    reader = ExampleReader(ready.config.dataset_folder / "examples" / "valid", FACT_COLUMNS)
    rows = reader.read(np.arange(NUM_USERS)).select(FACT_COLUMNS).to_pylist()
    tasks = [asking.ask(row, (0, row["user_id"], row["target_index"], 0)) for row in rows]
    return [(task, ready.builder.ask(task)) for task in tasks if task is not None]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_the_only_thing_hidden_and_items_alone_are_chosen_in_the_trie(ready, family):
    examples = examples_of(ready, family)
    assert {TASKS[task.task].family for task, _ in examples} == {family}
    for task, example in examples:
        answer = task.text.token_ids[slice(*task.answer_span)]
        part_b = example.token_ids[example.part_a_len :]
        assert part_b == [ready.tokenizer.special.start, *answer]
        assert example.token_ids[: example.part_a_len].count(ready.tokenizer.special.gmask) == 1
        nodes = example.trie_nodes[example.part_a_len :]
        labels = example.labels[example.part_a_len :]
        if TASKS[task.task].answer == "item":
            assert [node >= 0 for node in nodes] == [label != IGNORED_LABEL for label in labels]
            assert nodes[0] >= 0
            targets = [label for label in labels if label != IGNORED_LABEL]
            assert set(targets) <= {*answer, ready.tokenizer.special.end}
        else:
            assert nodes == [WHOLE_VOCABULARY] * len(nodes)
            assert labels == [*answer, ready.tokenizer.special.end]


def test_negatives_of_training_questions_are_none_of_the_users_training_items(ready):
    pairs = drawn(ready.batches(texts_and_keys, template_share=1.0), 0, 40 * STEPS_PER_EPOCH)
    num_held_out = 0
    for text, (_, _, user, index) in pairs:
        if isinstance(text, TaskText) and text.task in ("candidate", "direct_choose"):
            first = int(user.removeprefix("user-"))
            training = {(first + 3 * step) % 12 for step in range(index + 1)}
            held_out = {(first + 3 * step) % 12 for step in (index + 1, index + 2)}
            negatives = {item for item in text.question.entity_items if item >= 0} - training
            assert len(negatives) == 3, "one of the four candidates is the target, and three are new to the user"
            num_held_out += bool(held_out & negatives)
    # held-out items do occur among them, or their absence would give them away
    assert num_held_out > 0


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_each_row_is_asked_once_for_a_family_loss_whoever_shares_the_work(ready, num_workers):
    questions = load_questions(ready.config.tasks, ready.config.dataset_folder)
    assert questions is not None
    reader = ExampleReader(ready.config.dataset_folder / "examples" / "valid", FACT_COLUMNS)

    def batches(rank: int, num_workers: int) -> list:
        return build_question_batches(
            reader,
            ready.builder,
            questions.of_family("review"),
            ready.tokenizer.special.pad,
            np.arange(7),
            seed=0,
            micro_batch_size=2,
            worker_rank=rank,
            num_workers=num_workers,
        )

    def labels(parts: list) -> list:
        return sorted(
            [label for label in row if label != IGNORED_LABEL]
            for part in parts
            for batch, counts in part
            if counts
            for row in batch.labels.tolist()
        )

    parts = [batches(rank, num_workers) for rank in range(num_workers)]
    assert len({len(part) for part in parts}) == 1
    assert labels(parts) == labels([batches(0, 1)])
    assert len(labels(parts)) == 7


@pytest.mark.usefixtures("process_group")
def test_a_run_watches_the_next_item_and_one_loss_a_trained_family(ready):
    assert dist.get_world_size() == 1
    questions = load_questions(ready.config.tasks, ready.config.dataset_folder)

    losses = build_validation(ready.config, ready.builder, ready.tokenizer.special.pad, questions)

    assert list(losses) == ["eval/loss", *(f"eval/loss_{family}" for family in FAMILIES)]
    assert all(any(counts for _, counts in batches) for batches in losses.values())
    without = build_validation(ready.config, ready.builder, ready.tokenizer.special.pad, None)
    assert list(without) == ["eval/loss"]
    for (ours, _), (theirs, _) in zip(losses["eval/loss"], without["eval/loss"], strict=True):
        assert torch.equal(ours.labels, theirs.labels)


def test_without_questions_batches_are_as_they_always_were(ready):
    plain = TrainingBatches(
        ExampleReader(ready.config.dataset_folder / "examples" / "train"),
        ready.collator,
        seed=5,
        micro_batch_size=12,
        accumulation_steps=1,
        worker_rank=0,
        num_workers=1,
    ).from_step(0)
    off = ready.batches(ready.collator, template_share=0.0).from_step(0)

    for _ in range(4):
        [theirs], [ours] = next(plain), next(off)
        assert torch.equal(theirs.token_ids, ours.token_ids)
        assert torch.equal(theirs.labels, ours.labels)


def test_tasks_need_a_dataset_that_was_made_with_them(ready, tmp_path):
    plain = tiny_config(tmp_path)
    write_tiny_dataset(plain)
    asked = dataclasses.replace(plain, tasks=ready.config.tasks)

    with pytest.raises(ConfigError, match=r"tasks\.rating_weight is 1, but the dataset was made without questions"):
        check_tasks(asked, open_artifact(plain.dataset_folder, "dataset"))
    with pytest.raises(CheckpointError, match="made without tasks"):
        load_questions(asked.tasks, plain.dataset_folder)
    check_tasks(plain, open_artifact(plain.dataset_folder, "dataset"))
    check_tasks(ready.config, open_artifact(ready.config.dataset_folder, "dataset"))


def test_free_text_with_the_papers_position_ids_is_warned_of(ready):
    paper = dataclasses.replace(ready.config.objective, intra_mode="paper")

    assert "explanation and review" in str(warnings_of(dataclasses.replace(ready.config, objective=paper)))
    assert warnings_of(ready.config) == []
    off = dataclasses.replace(ready.config.tasks, template_share=0.0)
    assert warnings_of(dataclasses.replace(ready.config, objective=paper, tasks=off)) == []
