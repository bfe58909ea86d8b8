"""From a checked request to what the model is asked: plain Python, tested without Ray.

A request goes the way of a training example: references are resolved in the catalogue, the history is put in order of
time, its windows are sampled, and features and behaviours become the text of the prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys_model.bundle import BundleSettings
from recsys_model.entities.live_catalog import LiveCatalog
from recsys_model.errors import DataError
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import SpecialTokens
from recsys_model.text.windows import sample_history
from recsys_platform.serve.schemas import HistoryEvent, Problem, RecommendRequest, Rejection
from recsys_platform.values.ids import usual_id
from recsys_platform.values.labels import UnreadableLabelError, canonical_label, canonical_word, label_of, unescape

MAX_UNKNOWN_NAMED = 20
"""Unknown ids of a list that are named; a list from another shop may have thousands."""
MAX_SUGGESTED = 5
"""Unknown items of a history for which others are suggested; a history of another shop may have thousands."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a good request asks of the model."""

    prompt: Prompt
    """The corrupted text, its last blank to be filled with an item."""
    k: int
    """Number of items wanted."""
    excluded: frozenset[int]
    """Catalogue indices that must not be recommended."""
    allowed: frozenset[int] | None
    """The only catalogue indices that may be recommended; None allows all."""


class RequestReader:
    """Reads requests with one version of the catalogue; `clock` gives the unix time of a request that names none."""

    def __init__(
        self,
        settings: BundleSettings,
        special: SpecialTokens,
        textualizer: Textualizer,
        catalog: LiveCatalog,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._special = special
        self._textualizer = textualizer
        self._catalog = catalog
        self._clock = clock

    def read(self, request: RecommendRequest) -> Query | Rejection:
        """Turn one request into what the model is asked, or say what is wrong with it."""
        problems: list[Problem] = []
        self._check_k(request.k, problems)
        features = self._read_features(request.user_features, problems)
        moment = self._moment(request)
        history = self._read_history(request.history, moment, problems)
        denied = self._read_list("deny", request.deny, problems)
        allowed = None if request.allow is None else self._read_list("allow", request.allow, problems)
        if problems:
            return Rejection(detail=problems)
        try:
            text = self._textualizer.build(features, self._sample(history, moment), None)
        except DataError as error:
            return Rejection(detail=[Problem(loc=["body"], msg=str(error), type="text_not_possible")])
        settings = self._settings
        prompt = build_prompt(text, self._special, settings.intra_mode, layout=settings.history_layout)
        seen = self._seen(history) if request.exclude_seen else frozenset()
        return Query(prompt, request.k, seen | denied, allowed)

    def _check_k(self, k: int, problems: list[Problem]) -> None:
        largest = self._settings.decoding.num_beams
        if k > largest:
            message = f"must be at most {largest}, the number of beams of this model, got {k}"
            problems.append(Problem(loc=["body", "k"], msg=message, type="less_than_equal"))

    def _read_features(
        self, features: Mapping[str, str | int | float | bool], problems: list[Problem]
    ) -> dict[str, str]:
        """Return the features in the order of the training data."""
        known = self._settings.user_features
        for name in features:
            if name not in known:
                message = f"unknown user feature; this model knows {', '.join(known) or 'none'}"
                problems.append(Problem(loc=["body", "user_features", name], msg=message, type="unknown_feature"))
        given = {name: features[name] for name in known if name in features}
        texts = {
            name: self._read_label(["user_features", name], label_of, value, problems) for name, value in given.items()
        }
        return {name: text for name, text in texts.items() if text is not None}

    def _read_label(
        self, path: list[str | int], convert: Callable[[Any], str | None], value: Any, problems: list[Problem]
    ) -> str | None:
        """Return the text of a value as the data stage writes it."""
        try:
            return convert(value)
        except UnreadableLabelError as error:
            message = f"must have a plain text: {error}; give a name, a number or true/false"
            problems.append(Problem(loc=["body", *path], msg=message, type="unreadable_value"))
            return None

    def _moment(self, request: RecommendRequest) -> float:
        """Return the time of the recommendation: as given, else now, or the latest event's where that is later."""
        if request.time is not None:
            return request.time
        return max([self._clock(), *(event.time for event in request.history if event.time is not None)])

    def _read_history(self, events: Sequence[HistoryEvent], moment: float, problems: list[Problem]) -> list[Behaviour]:
        """Return the history in order of time; events of the same time keep the order given."""
        behaviours: list[Behaviour] = []
        num_unknown = 0
        for index, event in enumerate(events):
            loc: list[str | int] = ["body", "history", index]
            timestamp = moment if event.time is None else event.time
            if timestamp > moment:
                message = "must not lie after the time of the recommendation"
                problems.append(Problem(loc=[*loc, "time"], msg=message, type="event_after_time"))
            try:
                item = self._catalog.find(self._known_as(event.item), suggest=num_unknown < MAX_SUGGESTED)
            except DataError as error:
                num_unknown += 1
                problems.append(Problem(loc=[*loc, "item"], msg=str(error), type="unknown_item"))
                continue
            behaviours.append(
                Behaviour(
                    item=item,
                    timestamp=timestamp,
                    action=self._read_action(event, index, problems),
                    categories=tuple(filter(None, map(canonical_word, event.categories))),
                    rating=event.rating,
                )
            )
        return sorted(behaviours, key=lambda behaviour: behaviour.timestamp)

    def _read_action(self, event: HistoryEvent, index: int, problems: list[Problem]) -> str | None:
        if event.action is None:
            return None
        return self._read_label(["history", index, "action"], canonical_label, event.action, problems)

    def _known_as(self, reference: str) -> str:
        """Return an id or title as the catalogue has it: `12.0` is the id `12`, HTML entities are decoded."""
        index_of = self._catalog.references.index_of
        if index_of(reference) is not None:
            return reference
        item_id = usual_id(reference)
        return item_id if index_of(item_id) is not None else unescape(reference)

    def _seen(self, history: Sequence[Behaviour]) -> frozenset[int]:
        """Return the items of a history, also as they are called now where they were named by an earlier title."""
        items = {behaviour.item for behaviour in history}
        return frozenset(items | {self._catalog.latest(item) for item in items})

    def _read_list(self, name: str, item_ids: Sequence[str], problems: list[Problem]) -> frozenset[int]:
        """Return the catalogue indices of item ids; those of items that were removed do no harm."""
        indices = [self._catalog.references.index_of(self._known_as(item_id)) for item_id in item_ids]
        unknown = [place for place, index in enumerate(indices) if index is None]
        for place in unknown[:MAX_UNKNOWN_NAMED]:
            message = f"no item has the id {item_ids[place]!r}; lists take ids, not titles ({len(unknown)} are unknown)"
            problems.append(Problem(loc=["body", name, place], msg=message, type="unknown_item"))
        return frozenset(index for index in indices if index is not None)

    def _sample(self, history: Sequence[Behaviour], moment: float) -> list[Behaviour]:
        """Sample the time windows before `moment` as the data stage does."""
        timestamps = [behaviour.timestamp for behaviour in history]
        settings = self._settings
        key = (settings.seed, "", len(history))
        return [history[index] for index in sample_history(timestamps, moment, settings.window, key)]
