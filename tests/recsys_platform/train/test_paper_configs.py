import dataclasses
from pathlib import Path

import pytest

from recsys_model.config import PLAIN_GLM
from recsys_model.text.tasks import TASKS
from recsys_platform.config.run import RunConfig, config_to_dict, load_config
from recsys_platform.evaluate.report.paper_tables import TABLES, names_of_tables
from recsys_platform.evaluate.tasks.data import trained_tasks

A100 = Path(__file__).resolve().parents[3] / "ray_configs" / "a100"


ALL_TASKS = list(TASKS)
ALL_TABLES = [table.name for table in TABLES]
INDUSTRIAL = ["next_item", "candidate"]


@pytest.mark.parametrize(
    ("name", "tasks", "tables"),
    [
        ("a100/glm-10b.yaml", [], []),
        ("a100/glm-10b-plain.yaml", [], []),
        ("a100/glm-10b-tune.yaml", [], []),
        ("a100/chatglm-6b.yaml", [], []),
        ("a100/glm-10b-tasks.yaml", ALL_TASKS, ALL_TABLES),
        ("a100/glm-10b-sft.yaml", ALL_TASKS, ALL_TABLES),
        ("a100/chatglm-6b-tasks.yaml", INDUSTRIAL, ["Table 8", "Table 9"]),
        ("a100/chatglm-6b-sft.yaml", INDUSTRIAL, ["Table 8", "Table 9"]),
        ("a100/chatglm-6b-tune.yaml", INDUSTRIAL, ["Table 8", "Table 9"]),
        ("laptop/paper.yaml", ALL_TASKS, ALL_TABLES),
        ("laptop/paper-sft.yaml", ALL_TASKS, ALL_TABLES),
        ("laptop/tasks.yaml", ALL_TASKS, ALL_TABLES),
    ],
)
def test_each_file_trains_these_tasks_and_its_report_has_these_tables(name, tasks, tables):
    trained = trained_tasks(config_to_dict(load_config(A100.parent / name)))

    assert trained == tasks
    assert names_of_tables(trained) == tables


def test_every_file_for_the_paper_s_machine_is_in_the_list_above():
    assert sorted(path.name for path in A100.glob("*.yaml")) == sorted(
        f"{model}{kind}.yaml"
        for model, kinds in (
            ("glm-10b", ("", "-plain", "-sft", "-tasks", "-tune")),
            ("chatglm-6b", ("", "-sft", "-tasks", "-tune")),
        )
        for kind in kinds
    )


@pytest.mark.parametrize("name", ["a100/glm-10b", "a100/chatglm-6b", "laptop/paper"])
def test_supervised_fine_tuning_is_the_same_training_with_answers_only(name):
    entity_file = f"{name}.yaml" if name == "laptop/paper" else f"{name}-tasks.yaml"
    baseline, training = load_config(A100.parent / f"{name}-sft.yaml"), load_config(A100.parent / entity_file)

    objective = baseline.objective
    assert (objective.entity_weight, objective.sentence_weight, objective.document_weight) == (0.0, 0.0, 0.0)
    assert (objective.mask_units, objective.intra_mode) == (PLAIN_GLM.mask_units, PLAIN_GLM.intra_mode)
    assert baseline.tasks.template_share == 1.0
    assert baseline.dataset_folder == training.dataset_folder
    same = {
        "name": training.name,
        "dataset": training.dataset,
        "objective": training.objective,
        "tasks": training.tasks,
    }
    assert dataclasses.replace(baseline, **same) == training
    assert dataclasses.replace(baseline.tasks, template_share=training.tasks.template_share) == training.tasks


@pytest.mark.parametrize("name", ["a100/glm-10b-tasks.yaml", "laptop/paper.yaml"])
def test_a_training_on_free_text_hides_text_too_and_counts_through_runs_of_words(name):
    config = load_config(A100.parent / name)

    assert config.objective.intra_mode == "run"
    shares = (config.objective.entity_weight, config.objective.sentence_weight, config.objective.document_weight)
    assert shares == (0.5, 0.3, 0.2)
    assert 0.0 < config.tasks.template_share < 1.0


def test_the_search_of_figure_3_measures_the_candidates_of_table_9_and_keeps_the_scale():
    search, training = load_config(A100 / "chatglm-6b-tune.yaml"), load_config(A100 / "chatglm-6b-tasks.yaml")

    assert search.tune.ranks == (2, 4, 8, 16, 32)
    assert search.tune.competitors == "candidates"
    assert [dataclasses.replace(search.lora, rank=rank).effective_alpha for rank in (2, 8)] == [4.0, 16.0]
    assert dataclasses.replace(search.lora, rank=8).effective_alpha == training.lora.effective_alpha
    assert search.dataset_folder == training.dataset_folder
    assert (search.model, search.tasks, search.input) == (training.model, training.tasks, training.input)


@pytest.mark.parametrize("name", ["glm-10b.yaml", "glm-10b-tune.yaml", "glm-10b-tasks.yaml", "glm-10b-sft.yaml"])
def test_the_a100_runs_train_as_the_paper_did(name):
    config: RunConfig = load_config(A100 / name)
    train = config.train

    assert (config.model.preset, config.text.max_tokens, config.optimizer.learning_rate) == ("glm-10b", 1024, 1e-5)
    assert (train.num_workers, train.use_gpu, train.zero_stage, train.precision) == (4, True, 2, "bf16")
    assert (train.batch_size * train.accumulation_steps, train.epochs) == (32, 8)
    assert (config.lora.enabled, config.lora.rank) == (True, 8)
    assert (config.window.long_share, config.window.medium_share, config.window.short_share) == (0.1, 0.3, 0.6)


def test_the_search_tries_the_ranks_of_figure_3_on_the_dataset_of_the_training():
    search, training = load_config(A100 / "glm-10b-tune.yaml"), load_config(A100 / "glm-10b.yaml")

    assert search.tune.ranks == (2, 4, 8, 16, 32)
    assert search.dataset_folder == training.dataset_folder
    assert search.model == training.model


def test_the_laptop_search_reads_what_the_demo_leaves():
    laptop = A100.parent / "laptop"
    search, demo = load_config(laptop / "tune.yaml"), load_config(laptop / "demo.yaml")

    assert search.tune.ranks == (2, 8)
    assert search.dataset_folder == demo.dataset_folder
    assert search.model.weights == str(demo.checkpoint_folder)
    assert (search.text, search.objective, search.input) == (demo.text, demo.objective, demo.input)


def test_the_baseline_is_the_same_training_without_entities():
    baseline, training = load_config(A100 / "glm-10b-plain.yaml"), load_config(A100 / "glm-10b.yaml")

    assert baseline.objective == PLAIN_GLM
    assert baseline.dataset_folder == training.dataset_folder
    same = {"name": training.name, "dataset": training.dataset, "objective": training.objective}
    assert dataclasses.replace(baseline, **same) == training
