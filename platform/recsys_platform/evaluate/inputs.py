"""Read the inputs of an evaluation: dataset, checkpoint, held-out cases and their candidates."""

from dataclasses import dataclass
from pathlib import Path

from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.errors import ConfigError
from recsys_model.evaluation.metrics import LARGEST_K
from recsys_platform.artifacts import Manifest, check_parent, open_artifact
from recsys_platform.checkpoints import check_base, check_scoring
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.ranking.candidates import draw_candidates, read_candidates
from recsys_platform.evaluate.ranking.cases import EvaluationData, load_evaluation_data
from recsys_platform.evaluate.report.measured import Competitors
from recsys_platform.evaluate.tasks.data import chosen_tasks

CandidateSets = dict[Competitors, list[list[int]]]
"""Maps a protocol to the candidates of each case, as catalogue indices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationInputs:
    """The inputs of an evaluation."""

    dataset: Manifest
    """The dataset."""
    checkpoint: Manifest
    """The trained model of that dataset."""
    tasks: list[str]
    """Tasks to evaluate, all of them trained."""
    data: EvaluationData
    """The cases, and the training events for baselines."""
    catalog: Catalog
    """The items."""
    candidates: CandidateSets
    """Candidates of each protocol except the whole catalogue."""

    @property
    def parents(self) -> dict[str, str]:
        """Digests of dataset and checkpoint."""
        return {"dataset": self.dataset.digest, "checkpoint": self.checkpoint.digest}

    @property
    def num_items(self) -> int:
        """Items of the catalogue."""
        return len(self.catalog.items)


def open_inputs(config: RunConfig) -> EvaluationInputs:
    """Open and verify the inputs of an evaluation.

    Raises:
        ConfigError: `evaluate.tasks` has a task that was not trained, the model cannot score items as asked, or the table
            of candidates cannot be read.
        CheckpointError: An artifact is missing, damaged or does not fit.
        DataError: The candidates do not fit the cases, or the catalogue is too small for the negatives.
    """
    dataset = open_artifact(config.dataset_folder, "dataset")
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    check_parent(checkpoint, dataset)
    check_base(config.checkpoint_folder)
    check_scoring(config.checkpoint_folder, config.decoding)
    tasks = chosen_tasks(config.evaluate, checkpoint.config)
    data = load_evaluation_data(config.dataset_folder, config.evaluate.split, config.evaluate.num_users, config.seed)
    catalog = load_catalog(config.dataset_folder)
    return EvaluationInputs(
        dataset=dataset,
        checkpoint=checkpoint,
        tasks=tasks,
        data=data,
        catalog=catalog,
        candidates=_candidates(config, data, catalog),
    )


def check_beams(config: RunConfig) -> None:
    """Check that the search returns as many items as the metrics need.

    Raises:
        ConfigError: The beam is too narrow.
    """
    if config.decoding.num_beams < LARGEST_K and not config.decoding.exact:
        raise ConfigError(
            f"decoding.num_beams must be at least {LARGEST_K} to measure HR@{LARGEST_K}, got {config.decoding.num_beams}"
        )


def _candidates(config: RunConfig, data: EvaluationData, catalog: Catalog) -> CandidateSets:
    evaluate = config.evaluate
    candidates: CandidateSets = {}
    if "sampled" in evaluate.competitors:
        candidates["sampled"] = draw_candidates(
            data.cases, len(catalog.items), evaluate.num_negatives, evaluate.negatives_seed
        )
    if "given" in evaluate.competitors:
        candidates["given"] = read_candidates(Path(str(evaluate.candidates)), data.cases, catalog)
    return candidates
