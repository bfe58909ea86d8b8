"""RequestReader: turn a request into a prompt for the model. Plain Python, tested without Ray.

The steps are those of the data stage: resolve items in the catalogue, sort the history by time, sample its time
windows, and write features and behaviours as the text of the prompt.
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
from recsys_platform.serve.schemas import TIME_RULE, HistoryEvent, Problem, RecommendRequest, Rejection
from recsys_platform.values.ids import usual_id
from recsys_platform.values.labels import UnreadableLabelError, canonical_label, canonical_word, label_of, unescape
from recsys_platform.values.times import parse_time_in

MAX_UNKNOWN_NAMED = 20
"""Maximum number of unknown ids named per list; a list from another shop may have thousands."""
MAX_SUGGESTED = 5
"""Maximum number of unknown history items with suggestions; a history from another shop may have thousands."""


@dataclass(frozen=True, slots=True)
class Query:
    """A valid request in the form that the generator takes."""

    prompt: Prompt
    """The corrupted text; its last blank is filled with an item."""
    k: int
    """Number of items to return."""
    excluded: frozenset[int]
    """Catalogue indices that must not be recommended."""
    allowed: frozenset[int] | None
    """Catalogue indices that may be recommended; None allows all."""


class RequestReader:
    """Validates requests against one version of the catalogue; `clock` returns the unix time if a request has none."""

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
        """Return the query of a valid request, or a rejection that lists all of its problems."""
        problems: list[Problem] = []
        self._check_k(request.k, problems)
        features = self._read_features(request.user_features, problems)
        times = [
            self._read_time(["history", index, "time"], event.time, problems)
            for index, event in enumerate(request.history)
        ]
        request_time = self._request_time(self._read_time(["time"], request.time, problems), times)
        history = self._read_history(request.history, times, request_time, problems)
        denied = self._read_list("deny", request.deny, problems)
        allowed = None if request.allow is None else self._read_list("allow", request.allow, problems)
        if problems:
            return Rejection(detail=problems)
        try:
            text = self._textualizer.build(features, self._sample(history, request_time), None)
        except DataError as error:
            return Rejection(detail=[Problem(loc=["body"], msg=str(error), type="text_not_possible")])
        settings = self._settings
        prompt = build_prompt(text, self._special, settings.intra_mode, layout=settings.history_layout)
        seen = self._seen_items(history) if request.exclude_seen else frozenset()
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
        trained = self._settings.user_features
        for name in features:
            if name not in trained:
                message = f"unknown user feature; this model was trained with {', '.join(trained) or 'none'}"
                problems.append(Problem(loc=["body", "user_features", name], msg=message, type="unknown_feature"))
        given = {name: features[name] for name in trained if name in features}
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

    def _read_time(self, path: list[str | int], value: str | float | None, problems: list[Problem]) -> float | None:
        """Return unix seconds; a text is read as the table of interactions writes times."""
        try:
            return None if value is None else parse_time_in(value, self._settings.time_format)
        except (ValueError, OverflowError) as error:
            problems.append(Problem(loc=["body", *path], msg=f"{TIME_RULE}: {error}", type="unreadable_time"))
            return None

    def _request_time(self, given: float | None, times: Sequence[float | None]) -> float:
        """Return the time of the recommendation: the given one, else the later of now and the latest event."""
        return given if given is not None else max([self._clock(), *(time for time in times if time is not None)])

    def _read_history(
        self,
        events: Sequence[HistoryEvent],
        times: Sequence[float | None],
        request_time: float,
        problems: list[Problem],
    ) -> list[Behaviour]:
        """Return the history sorted by time; events with equal times keep their order."""
        behaviours: list[Behaviour] = []
        num_unknown = 0
        for index, (event, time) in enumerate(zip(events, times, strict=True)):
            loc: list[str | int] = ["body", "history", index]
            timestamp = request_time if time is None else time
            if timestamp > request_time:
                message = "must not be after the time of the recommendation"
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

    def _seen_items(self, history: Sequence[Behaviour]) -> frozenset[int]:
        """Return the items of a history, and the current entry of each item that was changed since."""
        items = {behaviour.item for behaviour in history}
        return frozenset(items | {self._catalog.latest(item) for item in items})

    def _read_list(self, name: str, item_ids: Sequence[str], problems: list[Problem]) -> frozenset[int]:
        """Return the catalogue indices of item ids; ids of removed items are accepted."""
        indices = [self._catalog.references.index_of(self._known_as(item_id)) for item_id in item_ids]
        unknown = [position for position, index in enumerate(indices) if index is None]
        for position in unknown[:MAX_UNKNOWN_NAMED]:
            message = (
                f"no item has the id {item_ids[position]!r}; lists take ids, not titles ({len(unknown)} are unknown)"
            )
            problems.append(Problem(loc=["body", name, position], msg=message, type="unknown_item"))
        return frozenset(index for index in indices if index is not None)

    def _sample(self, history: Sequence[Behaviour], request_time: float) -> list[Behaviour]:
        """Sample the time windows before `request_time` as the data stage does."""
        timestamps = [behaviour.timestamp for behaviour in history]
        settings = self._settings
        key = (settings.seed, "", len(history))
        return [history[index] for index in sample_history(timestamps, request_time, settings.window, key)]
