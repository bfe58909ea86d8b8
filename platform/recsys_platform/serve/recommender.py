"""From checked requests to recommendations: a plain class, tested without Ray.

A request goes the way of a training example: references are resolved in the catalogue, the
history is put in order of time, its windows are sampled, and features and behaviours become the
text of part A. Requests are decoded together; one that is wrong is answered with its problems
and does not touch the others.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.bundle import Bundle, load_bundle
from recsys_model.decoding.beam import Recommendation, TrieGuidedGenerator
from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.errors import DataError
from recsys_model.infilling.example import PartA, build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.windows import sample_history
from recsys_platform.artifacts import Manifest, open_artifact
from recsys_platform.serve.schemas import (
    HistoryEvent,
    ModelInfo,
    Problem,
    RecommendedItem,
    RecommendRequest,
    RecommendResponse,
    Rejection,
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a good request asks of the model."""

    part_a: PartA
    """The corrupted text, its last blank to be filled with an item."""
    k: int
    """Number of items wanted."""
    excluded: frozenset[int]
    """Catalogue indices that must not be recommended."""


class Recommender:
    """Answers batches of requests with one bundle.

    `clock` gives the unix time of a request that names none.
    """

    def __init__(self, bundle: Bundle, info: ModelInfo, clock: Callable[[], float] = time.time) -> None:
        self.info = info
        self._bundle = bundle
        self._clock = clock
        self._textualizer = Textualizer(bundle.tokenizer, bundle.catalog, bundle.settings.text)
        self._generator = TrieGuidedGenerator(
            bundle.model, bundle.catalog, bundle.tokenizer.special, bundle.settings.decoding
        )

    @property
    def num_items(self) -> int:
        """Number of items that can be recommended."""
        return len(self._bundle.catalog.items)

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        """Answer each request in its place: with items, or with all that is wrong with it."""
        read = [self.read(request) for request in requests]
        prompts = [prompt for prompt in read if isinstance(prompt, Prompt)]
        answers = iter(self._generate(prompts))
        return [self._respond(next(answers)) if isinstance(item, Prompt) else item for item in read]

    def read(self, request: RecommendRequest) -> Prompt | Rejection:
        """Turn one request into what the model is asked, or say what is wrong with it."""
        problems: list[Problem] = []
        self._check_k(request.k, problems)
        features = self._read_features(request.user_features, problems)
        moment = self._moment(request)
        history = self._read_history(request.history, moment, problems)
        if problems:
            return Rejection(detail=problems)
        try:
            text = self._textualizer.build(features, self._sample(history, moment), None)
        except DataError as error:
            return Rejection(detail=[Problem(loc=["body"], msg=str(error), type="text_not_possible")])
        seen = frozenset(behaviour.item for behaviour in history) if request.exclude_seen else frozenset()
        part_a = build_prompt(text, self._bundle.tokenizer.special, self._bundle.settings.intra_mode)
        return Prompt(part_a, request.k, seen)

    def _check_k(self, k: int, problems: list[Problem]) -> None:
        largest = self._bundle.settings.decoding.num_beams
        if k > largest:
            message = f"must be at most {largest}, the number of beams of this model, got {k}"
            problems.append(Problem(loc=["body", "k"], msg=message, type="less_than_equal"))

    def _read_features(
        self, features: Mapping[str, str | int | float | bool], problems: list[Problem]
    ) -> dict[str, str]:
        """Return the features in the order of the training data."""
        known = self._bundle.settings.user_features
        for name in features:
            if name not in known:
                message = f"unknown user feature; this model knows {', '.join(known) or 'none'}"
                problems.append(Problem(loc=["body", "user_features", name], msg=message, type="unknown_feature"))
        return {name: feature_text(features[name]) for name in known if name in features}

    def _moment(self, request: RecommendRequest) -> float:
        """Return the time of the recommendation: as given, else now, or the latest event's where that is later."""
        if request.time is not None:
            return request.time
        return max([self._clock(), *(event.time for event in request.history if event.time is not None)])

    def _read_history(self, events: Sequence[HistoryEvent], moment: float, problems: list[Problem]) -> list[Behaviour]:
        """Return the history in order of time; events of the same time keep the order given."""
        behaviours: list[Behaviour] = []
        for index, event in enumerate(events):
            loc: list[str | int] = ["body", "history", index]
            timestamp = moment if event.time is None else event.time
            if timestamp > moment:
                message = "must not lie after the time of the recommendation"
                problems.append(Problem(loc=[*loc, "time"], msg=message, type="event_after_time"))
            try:
                item = self._bundle.catalog.find(event.item)
            except DataError as error:
                problems.append(Problem(loc=[*loc, "item"], msg=str(error), type="unknown_item"))
                continue
            behaviours.append(
                Behaviour(
                    item=item,
                    timestamp=timestamp,
                    action=event.action,
                    categories=tuple(event.categories),
                    rating=event.rating,
                )
            )
        return sorted(behaviours, key=lambda behaviour: behaviour.timestamp)

    def _sample(self, history: Sequence[Behaviour], moment: float) -> list[Behaviour]:
        """Sample the time windows before `moment` as the data stage does."""
        timestamps = [behaviour.timestamp for behaviour in history]
        settings = self._bundle.settings
        key = (settings.seed, "", len(history))
        return [history[index] for index in sample_history(timestamps, moment, settings.window, key)]

    def _generate(self, prompts: Sequence[Prompt]) -> list[list[Recommendation]]:
        """Decode all prompts together and give each as many items as it asked for."""
        if not prompts:
            return []
        ranked = self._generator.recommend(
            [prompt.part_a for prompt in prompts],
            max(prompt.k for prompt in prompts),
            [prompt.excluded for prompt in prompts],
        )
        return [items[: prompt.k] for items, prompt in zip(ranked, prompts, strict=True)]

    def _respond(self, recommendations: Sequence[Recommendation]) -> RecommendResponse:
        found = [
            (self._bundle.catalog.items[recommendation.item], recommendation.score)
            for recommendation in recommendations
        ]
        # an item without a title is named by the text that stands for it
        items = [RecommendedItem(id=item.item_id, title=item.title or item.text, score=score) for item, score in found]
        return RecommendResponse(items=items, model=self.info)


def load_recommender(folder: Path, device: str = "cpu") -> Recommender:
    """Check a bundle artifact and load it.

    Raises:
        CheckpointError: the artifact is missing, incomplete or was changed.
    """
    manifest = open_artifact(folder, "bundle")
    return Recommender(load_bundle(folder, device=device), describe_model(manifest))


def describe_model(manifest: Manifest) -> ModelInfo:
    """Name the model of a bundle artifact."""
    return ModelInfo(
        name=str(manifest.config.get("name", "")),
        digest=manifest.digest,
        version=manifest.versions.get("recsysllm-on-ray", ""),
        created=manifest.created,
    )


def feature_text(value: str | float | bool) -> str:
    """Write a feature value as the data stage writes it: whole numbers without a point, blanks folded.

    Example:
        >>> [feature_text(value) for value in (True, 25, 25.0, 1.5, " New  York ")]
        ['true', '25', '25', '1.5', 'New York']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return fold_whitespace(str(value))
