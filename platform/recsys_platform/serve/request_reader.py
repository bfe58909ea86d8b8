"""RequestReader: turn a request into a prompt for the model. Plain Python, tested without Ray.

The steps are those of the data stage: resolve items in the catalogue, sort the history by time, sample its time
windows, and write features and behaviours as the text of the prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recsys_model.bundle import BundleSettings
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.live_catalog import LiveCatalog
from recsys_model.entities.rules import Rules
from recsys_model.errors import DataError
from recsys_model.infilling.prompt import Prompt, build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from recsys_model.text.windows import sample_history
from recsys_platform.serve.fields import TIME_RULE
from recsys_platform.serve.rule_reader import read_rules
from recsys_platform.serve.schemas import (
    MAX_EXPLAINED,
    HistoryEvent,
    Problem,
    RecommendRequest,
    Rejection,
    SelectionFields,
    UnknownItem,
    UserFields,
)
from recsys_platform.values.ids import usual_id
from recsys_platform.values.labels import UnreadableLabelError, canonical_label, canonical_word, label_of, unescape
from recsys_platform.values.times import parse_time_in

MAX_UNKNOWN_NAMED = 20
"""Maximum number of unknown ids named per list; a list from another shop may have thousands."""
MAX_SUGGESTED = 5
"""Maximum number of unknown history items with suggestions; a history from another shop may have thousands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadUser:
    """A user's features and history in the form that the model takes."""

    text: TokenizedText
    """The text of the prompt."""
    prompt: Prompt
    """The corrupted text; its last blank is filled with an item."""
    seen: frozenset[int]
    """Catalogue indices of the items of the history, and of the entries that replace them."""
    unknown: tuple[UnknownItem, ...]
    """Events that were left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A valid request in the form that the generator takes."""

    user: ReadUser
    """The user."""
    excluded: frozenset[int]
    """Catalogue indices that must not be recommended."""
    allowed: frozenset[int] | None
    """Catalogue indices that may be recommended; None allows all."""
    rules: Rules | None
    """Conditions and caps; None allows all."""
    k: int = 1
    """Number of items to return."""
    exact: bool = False
    """Whether the search is exact."""
    explain: bool = False
    """Whether the answer explains its items."""


class RequestReader:
    """Validates requests against one version of the catalogue; `clock` returns the unix time if a request has none."""

    def __init__(
        self,
        settings: BundleSettings,
        special: SpecialTokens,
        textualizer: Textualizer,
        catalog: LiveCatalog,
        columns: ItemColumns,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._special = special
        self._textualizer = textualizer
        self._catalog = catalog
        self._columns = columns
        self._clock = clock

    def read(self, request: RecommendRequest) -> Query | Rejection:
        """Return the query of a valid request, or a rejection that lists all of its problems."""
        problems: list[Problem] = []
        self._check_k(request, problems)
        query = self.read_selection(request, problems)
        if query is None:
            return Rejection(detail=problems)
        exact = self._settings.decoding.exact if request.exact is None else request.exact
        return replace(query, k=request.k, exact=exact, explain=request.explain)

    def read_selection(self, request: SelectionFields, problems: list[Problem]) -> Query | None:
        """Return the user and the items that they may get, None after adding to `problems`."""
        user = self.read_user(request, problems)
        denied = self._read_list("deny", request.deny, problems)
        allowed = None if request.allow is None else self._read_list("allow", request.allow, problems)
        rules = None if request.rules is None else read_rules(request.rules, self._columns, problems)
        if problems or user is None:
            return None
        seen = user.seen if request.exclude_seen else frozenset()
        return Query(user=user, excluded=seen | denied, allowed=allowed, rules=rules)

    def read_user(self, request: UserFields, problems: list[Problem]) -> ReadUser | None:
        """Return the user of a request, None after adding to `problems`."""
        features = self._read_features(request.user_features, problems)
        times = [
            self._read_time(["history", index, "time"], event.time, problems)
            for index, event in enumerate(request.history)
        ]
        request_time = self._request_time(self._read_time(["time"], request.time, problems), times)
        unknown: list[UnknownItem] = []
        history = self._read_history(request, times, request_time, problems, unknown)
        if problems:
            return None
        try:
            text = self._textualizer.build(features, self._sample(history, request_time), None)
        except DataError as error:
            problems.append(Problem(loc=["body"], msg=str(error), type="text_not_possible"))
            return None
        return ReadUser(text=text, prompt=self.prompt_of(text), seen=self._seen_items(history), unknown=tuple(unknown))

    def prompt_of(self, text: TokenizedText) -> Prompt:
        """Return the prompt of a text."""
        settings = self._settings
        return build_prompt(text, self._special, settings.intra_mode, layout=settings.history_layout)

    def find(self, reference: str, *, suggest: bool = True) -> int:
        """Return the catalogue index of an item id or title, also of a removed item.

        Raises:
            DataError: nothing fits, or several items have this title; with `suggest` it names similar items.
        """
        return self._catalog.find(self._known_as(reference), suggest=suggest)

    def _check_k(self, request: RecommendRequest, problems: list[Problem]) -> None:
        k, largest = request.k, self._settings.decoding.num_beams
        if request.explain and MAX_EXPLAINED < k <= largest:
            message = f"must be at most {MAX_EXPLAINED} with explain, got {k}"
            problems.append(Problem(loc=["body", "k"], msg=message, type="less_than_equal"))
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
        request: UserFields,
        times: Sequence[float | None],
        request_time: float,
        problems: list[Problem],
        unknown: list[UnknownItem],
    ) -> list[Behaviour]:
        """Return the history sorted by time, without unknown items; events with equal times keep their order."""
        behaviours: list[Behaviour] = []
        for index, (event, time) in enumerate(zip(request.history, times, strict=True)):
            loc: list[str | int] = ["body", "history", index]
            timestamp = request_time if time is None else time
            if timestamp > request_time:
                message = "must not be after the time of the recommendation"
                problems.append(Problem(loc=[*loc, "time"], msg=message, type="event_after_time"))
            try:
                item = self.find(event.item, suggest=request.strict and len(unknown) < MAX_SUGGESTED)
            except DataError as error:
                unknown.append(UnknownItem(index=index, item=event.item))
                if request.strict:
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
