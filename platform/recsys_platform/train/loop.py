"""The training loop of one worker: steps, validation, checkpoints, and resuming after a restart."""

import logging
import math
import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray.train
import torch
import torch.distributed as dist
from ray.train.torch import get_device

from recsys_model.backbones.base import count_parameters
from recsys_model.config import require
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import learning_rate_share
from recsys_platform.config.run import RunConfig
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.task_columns import FACT_COLUMNS
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.checkpoints import restore_checkpoint, saved_checkpoint
from recsys_platform.train.engine import Engine
from recsys_platform.train.entities import build_head
from recsys_platform.train.faults import faults_named
from recsys_platform.train.metrics import MetricsLog, StepWindow
from recsys_platform.train.model import build_model
from recsys_platform.train.prefetch import prefetched
from recsys_platform.train.progress import Progress
from recsys_platform.train.questions import Questions, load_questions
from recsys_platform.train.ranking import BEST_METRIC, BestSoFar, ValidationRanking
from recsys_platform.train.ray_internals import silence_reports
from recsys_platform.train.reader import ExampleReader, item_shares
from recsys_platform.train.records import record_start, write_weights
from recsys_platform.train.seeds import MAX_SEED
from recsys_platform.train.validation import build_validation

FINAL = "final"
BEST = "best"


def train_loop(settings: dict[str, Any]) -> None:
    """Train until the end of the run; `settings` has its `config` and its output `folder`."""
    config: RunConfig = settings["config"]
    _prepare_process(config)
    with faults_named():
        TrainingRun(config, Path(settings["folder"])).run()


class TrainingRun:
    """One worker's part of a run."""

    def __init__(self, config: RunConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._is_first = dist.get_rank() == 0
        tokenizer = load_tokenizer(config.dataset_folder / TOKENIZER_FOLDER)
        catalog = load_catalog(config.dataset_folder)
        automaton = PositionAutomaton(catalog.pool(), config.objective.intra_mode)
        trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
        builder = ExampleBuilder(config.objective, tokenizer.special, automaton, trie)
        questions = load_questions(config.tasks, config.dataset_folder)
        collator = ExampleCollator(builder, tokenizer.special.pad, config.train.packed_row_tokens)
        self._batches = _build_training_batches(config, collator, questions)
        self._validation = build_validation(config, builder, tokenizer.special.pad, questions)
        self._progress = Progress(self._batches.steps_per_epoch * config.train.epochs, config.train.max_minutes)
        model = build_model(config, tokenizer.vocab_size)
        head = build_head(config, model, catalog)
        self._ranking = None if head is None else ValidationRanking(config, builder, tokenizer.special.pad)
        shares = (
            item_shares(config.dataset_folder / "examples" / "train", len(catalog.items))
            if config.entity.negatives > 0
            else None
        )
        loss = InfillingLoss(model, trie, config.objective, head, shares)
        self._counts = {
            "num_parameters": count_parameters(loss),
            "num_trainable_parameters": count_parameters(loss, trainable_only=True),
        }
        self._engine = Engine(loss, config, get_device())
        self._best = BestSoFar()
        self._log: MetricsLog | None = None
        self._window = StepWindow()

    def run(self) -> None:
        """Train from the last checkpoint, or from the beginning, to the end."""
        train, progress = self._config.train, self._progress
        self._best = restore_checkpoint(self._engine, progress)
        record_start(self._folder, progress.step)
        if self._is_first:
            self._log = MetricsLog(self._folder, progress, self._batches.steps_per_epoch)
        batches = prefetched(self._batches.from_step(progress.step))
        while not (progress.is_finished or self._is_out_of_patience):
            self._train_step(batches)
            if progress.step % train.log_every_steps == 0 or progress.is_finished:
                self._log_training()
            at_epoch_end = progress.step % self._batches.steps_per_epoch == 0
            if self._validates(at_epoch_end=at_epoch_end):
                self._validate_and_save()
        self._write_final()
        if self._log is not None:
            self._log.close()

    @property
    def _is_out_of_patience(self) -> bool:
        patience = self._config.train.patience
        return patience is not None and self._best.num_since >= patience

    def _validates(self, *, at_epoch_end: bool) -> bool:
        """Whether to validate now; not after an epoch if that includes the ranking, which costs more than a loss."""
        progress, train = self._progress, self._config.train
        at_own_step = progress.step % train.validate_every_steps == 0 or progress.is_finished
        return at_own_step or (at_epoch_end and self._ranking is None)

    def _write_final(self) -> None:
        if self._config.train.keep == "last":
            write_weights(self._folder / FINAL, self._engine, self._counts)
        elif self._is_first and (self._folder / BEST).is_dir():
            # without this folder the run had finished before and only its checkpoint artifact is written again
            shutil.rmtree(self._folder / FINAL, ignore_errors=True)
            (self._folder / BEST).replace(self._folder / FINAL)

    def _train_step(self, steps: Iterator[list[Batch]]) -> None:
        began = time.monotonic()
        batches = next(steps)
        waited_s = time.monotonic() - began
        progress, optimizer = self._progress, self._config.optimizer
        # one seed a step makes dropout the same in a resumed run
        torch.manual_seed((self._config.seed * 1_000_003 + progress.step * 1_009 + dist.get_rank()) % MAX_SEED)
        rate = optimizer.learning_rate * learning_rate_share(progress.share_after_step, optimizer)
        result = self._engine.step(batches, rate)
        # all workers take the clock of rank 0, so that they stop at the same step
        (elapsed_s,) = self._engine.sum_over_workers(progress.own_elapsed_s() if self._is_first else 0.0)
        progress.advance(elapsed_s)
        self._window.add(result, rate, time.monotonic() - began, waited_s)

    def _log_training(self) -> None:
        window = self._window
        token_sum, entity_sum = self._engine.sum_over_workers(window.token_loss_sum, window.entity_loss_sum)
        self._write(window.metrics(token_sum, entity_sum, self._config.objective))
        self._window = StepWindow()

    def _validate_and_save(self) -> None:
        """Measure validation losses and ranking, and report them with a checkpoint; waits for all workers."""
        metrics = {name: self._engine.mean_loss(batches) for name, batches in self._validation.items()}
        if self._ranking is not None:
            metrics |= self._ranking.measure(self._engine)
        self._write(metrics)
        if self._config.train.keep == "best" and self._best.take(metrics[BEST_METRIC], self._progress.step):
            write_weights(self._folder / BEST, self._engine, self._counts)
        report_metrics = {
            "step": self._progress.step,
            "epoch": self._progress.step / self._batches.steps_per_epoch,
            **metrics,
        }
        with saved_checkpoint(self._engine, self._progress, self._best) as checkpoint:
            ray.train.report(report_metrics, checkpoint=checkpoint)

    def _write(self, metrics: dict[str, float]) -> None:
        """Log metrics, which are the same on all workers; stop a diverged run before its weights are saved."""
        wrong = {name: value for name, value in metrics.items() if not math.isfinite(value)}
        require(not wrong, f"training diverged at step {self._progress.step}: {wrong}; lower optimizer.learning_rate")
        if self._log is not None:
            self._log.write(metrics)


def _prepare_process(config: RunConfig) -> None:
    """Set threads and log levels of a worker; Ray forwards its log to the driver."""
    torch.set_num_threads(config.train.cpus_per_worker)
    logging.basicConfig()
    logging.getLogger("recsys_platform").setLevel(logging.INFO)
    silence_reports()
    # deprecated torch names in DeepSpeed
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")


def _build_training_batches(
    config: RunConfig, collator: ExampleCollator, questions: Questions | None
) -> TrainingBatches:
    columns = () if questions is None else FACT_COLUMNS
    return TrainingBatches(
        ExampleReader(config.dataset_folder / "examples" / "train", columns),
        collator,
        seed=config.seed,
        micro_batch_size=config.train.batch_size,
        accumulation_steps=config.train.accumulation_steps,
        worker_rank=dist.get_rank(),
        num_workers=dist.get_world_size(),
        questions=questions,
    )
