"""Fit the blend of a finished training: counts of training events, and weights on validation events.

One task of the Ray cluster scores the validation users with the trained weights. Test events are never read.

Shape suffixes: U = users, M = candidates of the user who has most, N = items, D = decays over the history.
"""

import dataclasses
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import load_catalog
from recsys_model.entity_config import BlendWeights
from recsys_model.entity_head.blend_fit import HISTORY_DECAYS, BlendCandidates, find_blend, find_token_weight
from recsys_model.entity_head.co_occurrence import CoOccurrenceCounts, count_co_occurrences
from recsys_model.entity_head.scorer import load_scorer
from recsys_model.entity_head.storage import write_blend
from recsys_model.evaluation.exposure import largest_places
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer
from recsys_platform.checkpoints import ENTITIES_FOLDER, load_trained_model
from recsys_platform.cluster import result_of
from recsys_platform.config.run import RunConfig
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.interactions import iter_training_sequences
from recsys_platform.progress import PROGRESS_POLL_S, ProgressDisplay, duration
from recsys_platform.train.ranking import SEEN_COLUMN
from recsys_platform.train.reader import ExampleReader, to_examples
from recsys_platform.train.sampler import validation_rows

logger = logging.getLogger(__name__)

MAX_USERS = 5000
"""Validation users whose items are scored, drawn by seed."""
MAX_TOKEN_USERS = 1000
"""Of these, users whose items are searched by tokens, which takes longer."""
NUM_BEST = 200
"""Candidates of a user by the entity head, in addition to all items that ever came later than one of the user's latest
items."""
NUM_BY_TOKENS = 50
"""Items of a user that are searched by tokens."""
BATCH_USERS = 64


@dataclass(frozen=True, slots=True)
class ValidationCase:
    """One user and the item held out for validation."""

    prompt: Prompt
    """What the model reads."""
    target: int
    """Catalogue index of the held-out item."""
    excluded: tuple[int, ...]
    """Catalogue indices that are excluded from the ranking."""


def add_blend(config: RunConfig, folder: Path) -> None:
    """Fit the blend of the trained model in `folder`, which has the layout of a checkpoint, and write it there."""
    train = config.train
    resources = {"num_cpus": train.cpus_per_worker, "num_gpus": 1 if train.use_gpu else 0}
    # do not schedule inside the Tune trial's placement group (0.1 CPU)
    task = ray.remote(scheduling_strategy="DEFAULT", **resources)(find_run_blend)
    started = time.monotonic()
    running = task.remote(config, folder)
    with ProgressDisplay("finding the blend of scores") as display:
        while not ray.wait([running], timeout=PROGRESS_POLL_S)[0]:
            if display.is_due:
                display.show(None, duration(time.monotonic() - started))
    weights, counts = result_of(running)
    write_blend(folder / ENTITIES_FOLDER, weights, counts)
    logger.info(
        "blend found in %.0f s: tokens %g, items %g, co-occurrence %g (decay over the history %g)",
        time.monotonic() - started,
        weights.token,
        weights.entity,
        weights.co_occurrence,
        weights.history_decay,
    )


def find_run_blend(config: RunConfig, folder: Path) -> tuple[BlendWeights, CoOccurrenceCounts]:
    """Return the weights and the counts of a run whose trained model is in `folder`."""
    torch.set_num_threads(config.train.cpus_per_worker)
    tokenizer = load_tokenizer(config.dataset_folder / TOKENIZER_FOLDER)
    catalog = load_catalog(config.dataset_folder)
    counts = count_co_occurrences(list(iter_training_sequences(config.dataset_folder)), len(catalog.items))
    cases = _load_cases(config, tokenizer)

    def generator(decoding: DecodingConfig) -> TrieGuidedGenerator:
        device, dtype = ("cuda", torch.bfloat16) if config.train.use_gpu else ("cpu", torch.float32)
        model = load_trained_model(folder, dtype=dtype, verify=False).to(device).eval()
        scorer = load_scorer(folder / ENTITIES_FOLDER, model, catalog.items)
        temperature = config.objective.trie_temperature
        return TrieGuidedGenerator(model, catalog, tokenizer.special, decoding, scorer, temperature)

    items_UM, candidates = _by_items(generator(DecodingConfig(scoring="entity")), cases, counts)
    weights = find_blend(candidates)
    if config.objective.token_loss_weight > 0.0:
        few = cases[:MAX_TOKEN_USERS]
        searched = _by_tokens(generator(DecodingConfig(num_beams=NUM_BY_TOKENS)), few, items_UM[: len(few)])
        weights = dataclasses.replace(weights, token=find_token_weight(candidates, searched, weights))
    return weights, counts


def _load_cases(config: RunConfig, tokenizer: Tokenizer) -> list[ValidationCase]:
    reader = ExampleReader(config.dataset_folder / "examples" / "valid", (SEEN_COLUMN,))
    table = reader.read(validation_rows(reader.num_rows, MAX_USERS, config.seed))
    cases = []
    for example, seen in zip(to_examples(table), table[SEEN_COLUMN].to_pylist(), strict=True):
        text = example.text.before(len(example.text.entity_starts) - 1)
        prompt = build_prompt(
            text, tokenizer.special, config.objective.intra_mode, layout=config.objective.history_layout
        )
        target = example.text.entity_items[-1]
        excluded = tuple(set(seen) - {target}) if config.evaluate.exclude_seen else ()
        cases.append(ValidationCase(prompt, target, excluded))
    return cases


def _by_items(
    generator: TrieGuidedGenerator, cases: Sequence[ValidationCase], counts: CoOccurrenceCounts
) -> tuple[NDArray[np.int64], BlendCandidates]:
    """Return each user's candidates, padded with -1, and the parts of their scores."""
    rows: list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]] = []
    for start in range(0, len(cases), BATCH_USERS):
        some = cases[start : start + BATCH_USERS]
        scores = generator.score_all([case.prompt for case in some], [case.excluded for case in some]).cpu().numpy()
        rows += [_candidates_of(case, row, counts) for case, row in zip(some, scores, strict=True)]
    width = max(len(items) for items, _, _ in rows)
    items_UM = np.full((len(rows), width), -1, dtype=np.int64)
    entity_UM = np.full((len(rows), width), -np.inf, dtype=np.float32)
    log_count_DUM = np.zeros((len(HISTORY_DECAYS), len(rows), width), dtype=np.float32)
    for place, (items, entity, log_counts) in enumerate(rows):
        items_UM[place, : len(items)] = items
        entity_UM[place, : len(items)] = entity
        log_count_DUM[:, place, : len(items)] = log_counts
    targets_U1 = np.array([[case.target] for case in cases])
    log_counts_of = dict(zip(HISTORY_DECAYS, log_count_DUM, strict=True))
    candidates = BlendCandidates(entity=entity_UM, log_counts=log_counts_of, is_target=items_UM == targets_U1)
    return items_UM, candidates


def _candidates_of(
    case: ValidationCase, score_N: NDArray[np.float32], counts: CoOccurrenceCounts
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Return the candidates of a user, their log-probabilities, and their log-counts for each decay, [D, M]."""
    items = largest_places(score_N, NUM_BEST)
    log_count_DN = np.zeros((len(HISTORY_DECAYS), len(score_N)), dtype=np.float32)
    for log_count_N, decay in zip(log_count_DN, HISTORY_DECAYS, strict=True):
        successors, log_counts = counts.after_history(case.prompt.history, decay)
        log_count_N[successors] = log_counts
        items = np.union1d(items, successors)
    items = items[np.isfinite(score_N[items])]
    return items, score_N[items], log_count_DN[:, items]


def _by_tokens(
    generator: TrieGuidedGenerator, cases: Sequence[ValidationCase], items_UM: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the log-probabilities of the candidates by tokens; candidates outside a search result get its lowest."""
    token_UM = np.zeros(items_UM.shape, dtype=np.float32)
    for start in range(0, len(cases), BATCH_USERS):
        some = cases[start : start + BATCH_USERS]
        answers = generator.recommend([case.prompt for case in some], NUM_BY_TOKENS, [case.excluded for case in some])
        for place, recommendations in enumerate(answers, start=start):
            if recommendations:
                item_to_score = {each.item: each.score for each in recommendations}
                token_UM[place] = [
                    item_to_score.get(item, recommendations[-1].score) for item in items_UM[place].tolist()
                ]
    return token_UM
