"""A DeepSpeed engine around one model: gradients do not depend on the number of workers.

The loss of a step is the mean over all targets of the global batch, so a worker's sum is scaled
by the number of workers over that count: DeepSpeed averages over workers and micro steps.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recsys_model.errors import CheckpointError
from recsys_model.infilling.batch import Batch
from recsys_model.training.loss import InfillingLoss
from recsys_model.training.optimizer import parameter_groups
from recsys_platform.config.run import RunConfig
from recsys_platform.train.ray_internals import leave_out_shm_comm

TAG = "state"


@dataclass(frozen=True, slots=True)
class RankedBatch:
    """Prompts whose targets are ranked among all items."""

    batch: Batch
    """One item target an example."""
    seen: list[Tensor]
    """Catalogue indices that are excluded from the ranking of each target."""
    counts: bool
    """False for a batch that only keeps the workers in step."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """Losses, counts and gradient norm of one optimiser step."""

    token_loss_sum: float
    """Summed token loss of this worker's share."""
    entity_loss_sum: float
    """Summed loss over whole items of this worker's share."""
    num_targets: int
    """Target tokens of the global batch."""
    num_item_targets: int
    """Target items of the global batch."""
    num_tokens: int
    """Tokens of the global batch without padding."""
    grad_norm: float
    """Global norm before clipping."""


def deepspeed_config(config: RunConfig) -> dict[str, Any]:
    """Return DeepSpeed's settings for a run; the optimiser is handed over ready made."""
    train = config.train
    return {
        "train_micro_batch_size_per_gpu": train.batch_size,
        "gradient_accumulation_steps": train.accumulation_steps,
        # without ZeRO, DeepSpeed clips but does not report the norm, so `Engine` clips
        "gradient_clipping": config.optimizer.max_grad_norm if train.zero_stage > 0 else 0.0,
        "zero_optimization": {"stage": train.zero_stage},
        "bf16": {"enabled": train.precision == "bf16"},
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }


class Engine:
    """Trains one model together with the other workers; torch.distributed must be up."""

    def __init__(self, loss: InfillingLoss, config: RunConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._world_size = dist.get_world_size()
        self.model = loss.model
        self.head = loss.head
        self._engine = _initialise(loss, config, device)

    def step(self, batches: Sequence[Batch], learning_rate: float) -> StepResult:
        """Make one optimiser step on this worker's micro batches."""
        num_targets, num_item_targets, num_tokens = self.sum_over_workers(
            sum(batch.num_targets for batch in batches),
            sum(batch.num_item_targets for batch in batches),
            sum(batch.num_tokens for batch in batches),
        )
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.train()
        # DeepSpeed divides by the micro steps itself, whatever their sizes
        scale, objective = self._world_size * len(batches), self._config.objective
        token_scale = scale * objective.token_loss_weight / max(num_targets, 1.0)
        entity_scale = scale * objective.entity_loss_weight / max(num_item_targets, 1.0)
        sums = torch.zeros(2, device=self._device)
        norm = 0.0
        for batch in batches:
            losses = self._engine(batch.to(self._device))
            self._engine.backward(losses.token * token_scale + losses.entity * entity_scale)
            sums += torch.stack([losses.token.detach(), losses.entity.detach()])
            if self._config.train.zero_stage == 0 and batch is batches[-1]:
                norm = nn.utils.clip_grad_norm_(self._engine.parameters(), self._config.optimizer.max_grad_norm)
            self._engine.step()
        if self._config.train.zero_stage > 0:
            norm = self._engine.get_global_grad_norm()
        token_sum, entity_sum = sums.tolist()
        counts = (int(num_targets), int(num_item_targets), int(num_tokens))
        return StepResult(token_sum, entity_sum, *counts, float(norm))

    @torch.no_grad()
    def mean_loss(self, batches: Sequence[tuple[Batch, bool]]) -> float:
        """Return the mean token loss per target over the batches of all workers that count."""
        self._engine.eval()
        loss_sum, num_targets = 0.0, 0
        for batch, counts in batches:
            loss = float(self._engine(batch.to(self._device)).token)
            if counts:
                loss_sum += loss
                num_targets += batch.num_targets
        loss_sum, total = self.sum_over_workers(loss_sum, num_targets)
        return loss_sum / max(total, 1.0)

    @torch.no_grad()
    def ranks(self, batches: Iterable[RankedBatch]) -> list[int]:
        """Return the rank of each item target of this worker's batches that count, in their order."""
        self._engine.eval()
        ranks: list[int] = []
        for ranked in batches:
            seen = [items.to(self._device) for items in ranked.seen]
            batch_ranks = self._engine(ranked.batch.to(self._device), seen)
            ranks += batch_ranks.tolist() if ranked.counts else []
        return ranks

    def sum_over_workers(self, *values: float) -> list[float]:
        """Return each value summed over all workers."""
        sums = torch.tensor(values, dtype=torch.float64, device=self._device)
        dist.all_reduce(sums)
        return sums.tolist()

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """Gather the weights on every worker during the context; ZeRO 3 shards them."""
        if self._config.train.zero_stage < 3:
            yield
            return
        import deepspeed

        parameters = [*self.model.parameters(), *(() if self.head is None else self.head.parameters())]
        with deepspeed.zero.GatheredParameters(parameters):
            yield

    def save(self, folder: Path) -> None:
        """Write trained weights and optimiser state; every worker writes its part."""
        self._engine.save_checkpoint(str(folder), tag=TAG, exclude_frozen_parameters=True)

    def load(self, folder: Path) -> None:
        """Resume from the state that `save` wrote with the same number of workers.

        Raises:
            CheckpointError: the folder does not hold such a state.
        """
        frozen = any(not parameter.requires_grad for parameter in self._engine.module.parameters())
        path, _ = self._engine.load_checkpoint(str(folder), tag=TAG, load_module_strict=not frozen)
        if path is None:
            raise CheckpointError(f"{folder} holds no state of DeepSpeed; start over with --overwrite")


def _initialise(module: nn.Module, config: RunConfig, device: torch.device) -> Any:
    """Start DeepSpeed, which picks its accelerator when it is first imported."""
    if device.type == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    leave_out_shm_comm()
    optimizer = torch.optim.AdamW(
        parameter_groups(module, config.optimizer), lr=config.optimizer.learning_rate, betas=config.optimizer.betas
    )
    engine, *_ = deepspeed.initialize(
        model=module, optimizer=optimizer, config=deepspeed_config(config), dist_init_required=False
    )
    return engine
