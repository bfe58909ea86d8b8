"""What the evaluation of tasks reads: held-out events of a split, and the events that the model was trained on.

Files are read in order and in batches; of the held-out events only those of drawn users are kept.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys_model.config import TasksConfig
from recsys_model.errors import ConfigError
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.tasks import TASKS
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.tasks.cases import HeldOutEvent
from recsys_platform.task_columns import FACT_COLUMNS, to_facts

Settings = Mapping[str, Any]
"""The configuration in a checkpoint's manifest."""
ROWS_PER_BATCH = 1000
"""Rows that are held as Python objects at a time."""


def trained_tasks(checkpoint_config: Settings) -> list[str]:
    """Return the tasks that a checkpoint was trained on, by the configuration in its manifest.

    Example:
        >>> trained_tasks({"tasks": {"template_share": 0.5, "rating_weight": 1.0, "direct_weight": 2.0}})
        ['rating', 'direct_yes_no', 'direct_choose']
        >>> trained_tasks({"tasks": {"template_share": 0.0, "rating_weight": 1.0}}), trained_tasks({})
        ([], [])
    """
    tasks = checkpoint_config.get("tasks", {})
    if tasks.get("template_share", 0.0) == 0.0:
        return []
    return [name for name, task in TASKS.items() if tasks.get(f"{task.family}_weight", 0.0) > 0.0]


def chosen_tasks(evaluate: EvaluateConfig, checkpoint_config: Settings) -> list[str]:
    """Return those of a checkpoint's tasks that `evaluate.tasks` asks for.

    Raises:
        ConfigError: it names a task that was not trained.
    """
    trained = trained_tasks(checkpoint_config)
    if isinstance(evaluate.tasks, bool):
        return trained if evaluate.tasks else []
    untrained = [task for task in evaluate.tasks if task not in trained]
    if untrained:
        raise ConfigError(
            f"evaluate.tasks must name tasks that the checkpoint was trained on ({', '.join(trained) or 'none'}), "
            f"got {', '.join(untrained)}; leave them out, or train with the weight of their family above 0"
        )
    return [task for task in trained if task in evaluate.tasks]


def num_candidates(checkpoint_config: Settings) -> int:
    """Return how many candidates a question had in training, the right one included."""
    return int(checkpoint_config["tasks"].get("num_candidates", TasksConfig().num_candidates))


def iter_held_out(dataset_folder: Path, split: str, categories: list[tuple[str, ...]]) -> Iterator[HeldOutEvent]:
    """Yield the events of a split, those of one user one after the other."""
    for row in _iter_rows(dataset_folder, split, (*FACT_COLUMNS, "seen_items")):
        yield HeldOutEvent(
            user_id=row["user_id"],
            target_index=row["target_index"],
            facts=to_facts(row, categories),
            own_items=frozenset(row["own_items"]),
            seen_items=frozenset(row["seen_items"]),
        )


def iter_training(dataset_folder: Path, categories: list[tuple[str, ...]]) -> Iterator[TaskFacts]:
    """Yield what is known of each event that a training example asks for, its history left out."""
    for row in _iter_rows(dataset_folder, "train", tuple(name for name in FACT_COLUMNS if name != "history")):
        yield to_facts({**row, "history": ()}, categories)


def _iter_rows(dataset_folder: Path, split: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for path in sorted((dataset_folder / "examples" / split).glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_PER_BATCH, columns=list(columns)):
                yield from batch.to_pylist()
