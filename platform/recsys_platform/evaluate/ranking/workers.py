"""Recommend items to many users, and score given candidates, on a pool of Ray actors.

Users with prompts of similar length form a batch, which saves padding. Neither the batches nor the recommendations
depend on the number of workers.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.answers import Answer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import load_catalog
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.evaluate.ranking.cases import Case
from recsys_platform.evaluate.workers.answer_log import AnswerLog
from recsys_platform.evaluate.workers.model import WorkerSettings, load_model
from recsys_platform.evaluate.workers.pool import answer_batches, build_batches
from recsys_platform.file_names import TOKENIZER_FOLDER

CaseBatch = list[tuple[int, Case]]
"""Cases of one batch, each with its index among all cases."""
CandidateBatch = list[tuple[int, tuple[Case, list[int]]]]
"""The same, each with the catalogue indices to score."""


class Ranked(NamedTuple):
    """A user's best items."""

    items: list[int]
    """Catalogue indices, best first."""
    is_cut: bool = False
    """Whether an exact search reached its limit before these items were proven to be the best."""


class BatchRecommender(Protocol):
    """The interface of a worker that recommends items to batches of users."""

    def __init__(self, settings: WorkerSettings, k: int) -> None: ...

    def recommend(self, batch: CaseBatch) -> list[tuple[int, Ranked]]:
        """Return, for each case of the batch, its place among all cases and its `k` best items."""
        ...


class RecommendationWorker:
    """Recommends items and scores candidates with its own copy of the model."""

    def __init__(self, settings: WorkerSettings, k: int = 10) -> None:
        torch.set_num_threads(settings.num_threads)
        self._settings = settings
        self._k = k
        self._special = load_tokenizer(settings.dataset_folder / TOKENIZER_FOLDER).special
        self._catalog = load_catalog(settings.dataset_folder)
        model, scorer = load_model(settings, self._catalog.items)
        temperature = settings.trie_temperature
        self._generator = TrieGuidedGenerator(
            model, self._catalog, self._special, settings.decoding, scorer, temperature
        )
        automaton = PositionAutomaton(self._catalog.pool(), settings.intra_mode)
        vectors = None if scorer is None else scorer.vectors
        self._answer_scorer = AnswerScorer(
            model, self._special, automaton, settings.decoding.scoring, vectors, temperature
        )

    def recommend(self, batch: CaseBatch) -> list[tuple[int, Ranked]]:
        """Return, for each case of the batch, its place among all cases and its `k` best items."""
        prompts = [self._settings.prompt(case.text, self._special) for _, case in batch]
        excluded = [case.seen_items for _, case in batch] if self._settings.exclude_seen else None
        answers = self._generator.search(prompts, self._k, excluded)
        return [(place, _ranked(answer)) for (place, _), answer in zip(batch, answers, strict=True)]

    def score(self, batch: CandidateBatch) -> list[tuple[int, list[float]]]:
        """Return, for each case of the batch, its place and the score of each of its candidates.

        Scores are log-probabilities of tokens, or with `scoring: entity` and `blend` those that rank the catalogue.
        """
        prompts = [self._settings.prompt(case.text, self._special) for _, (case, _) in batch]
        if self._settings.decoding.scoring in ("entity", "blend"):
            rows = self._generator.score_candidates(prompts, [candidates for _, (_, candidates) in batch])
            return [(place, row) for (place, _), row in zip(batch, rows, strict=True)]
        answers = [[self._catalog.items[item].token_ids for item in candidates] for _, (_, candidates) in batch]
        scores = self._answer_scorer.log_probs(prompts, answers)
        return [(place, row) for (place, _), row in zip(batch, scores, strict=True)]


def _ranked(answer: Answer) -> Ranked:
    certificate = answer.certificate
    return Ranked([scored.item for scored in answer.items], certificate is not None and not certificate.is_exact)


def recommend_for_all(
    cases: Sequence[Case],
    settings: WorkerSettings,
    *,
    k: int,
    num_workers: int,
    batch_size: int,
    worker: type[BatchRecommender] = RecommendationWorker,
    log: AnswerLog | None = None,
) -> list[Ranked]:
    """Return the `k` best items for each case, in the order of the cases.

    Ray must be initialised. `worker` is the class of the actors; `log` has the answers of an earlier attempt.
    """
    batches = build_batches(cases, [len(case.text.token_ids) for case in cases], batch_size)
    answers = answer_batches(
        worker,
        (settings, k),
        "recommend",
        batches,
        num_workers=num_workers,
        use_gpu=settings.use_gpu,
        unit="users",
        log=log,
    )
    # answers from a log are plain lists, because JSON has no named tuples
    return [Ranked(*answers[place]) for place in range(len(cases))]


def score_candidates(
    cases: Sequence[Case],
    candidates: Sequence[list[int]],
    settings: WorkerSettings,
    *,
    num_workers: int,
    batch_size: int,
    log: AnswerLog | None = None,
) -> list[list[float]]:
    """Return the log-probability of each candidate of each case, in their order; Ray must be initialised."""
    batches = build_batches(
        list(zip(cases, candidates, strict=True)), [len(case.text.token_ids) for case in cases], batch_size
    )
    answers = answer_batches(
        RecommendationWorker,
        (settings,),
        "score",
        batches,
        num_workers=num_workers,
        use_gpu=settings.use_gpu,
        unit="users",
        log=log,
    )
    return [answers[place] for place in range(len(cases))]
