"""WorkerSettings: the settings from which every worker of an evaluation loads the same model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.config import DecodingConfig, HistoryLayout, ObjectiveConfig
from recsys_model.entities.catalog import CatalogItem
from recsys_model.entity_head.scorer import EntityScorer, load_scorer
from recsys_model.infilling.positions import IntraMode
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from recsys_platform.checkpoints import ENTITIES_FOLDER, load_trained_model
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.workers.pool import threads_per_worker


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """Settings of the model and the search, equal in all workers."""

    dataset_folder: Path
    """Tokenizer and catalogue."""
    checkpoint_folder: Path
    """The trained model."""
    decoding: DecodingConfig
    """The search for items."""
    intra_mode: IntraMode
    """How the model's intra position ids were counted in training."""
    exclude_seen: bool
    """Whether items of the user's history are excluded from the ranking."""
    history_layout: HistoryLayout = "text"
    """Layout of the history in training examples."""
    trie_temperature: float = 1.0
    """`objective.trie_temperature` of the training."""
    num_threads: int = 1
    """Threads of torch in each worker."""
    use_gpu: bool = False
    """One GPU per worker, and bf16 there."""

    @classmethod
    def of(cls, config: RunConfig, objective: ObjectiveConfig) -> "WorkerSettings":
        """Return the settings of a run; `objective` is that of the training, which overrides the run's configuration."""
        return cls(
            dataset_folder=config.dataset_folder,
            checkpoint_folder=config.checkpoint_folder,
            decoding=config.decoding,
            intra_mode=objective.intra_mode,
            exclude_seen=config.evaluate.exclude_seen,
            history_layout=objective.history_layout,
            trie_temperature=objective.trie_temperature,
            num_threads=threads_per_worker(config.evaluate.num_workers),
            use_gpu=config.evaluate.use_gpu,
        )

    def prompt(self, text: TokenizedText, special: SpecialTokens) -> Prompt:
        """Return the prompt of a user's text."""
        return build_prompt(text, special, self.intra_mode, layout=self.history_layout)


def load_model(settings: WorkerSettings, items: Sequence[CatalogItem]) -> tuple[Backbone, EntityScorer | None]:
    """Return a worker's copy of the trained model, in evaluation mode, and of its entity head if it has one."""
    device, dtype = ("cuda", torch.bfloat16) if settings.use_gpu else ("cpu", torch.float32)
    model = load_trained_model(settings.checkpoint_folder, dtype=dtype, verify=False).to(device).eval()
    return model, load_scorer(settings.checkpoint_folder / ENTITIES_FOLDER, model, items)
