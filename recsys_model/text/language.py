"""The words and marks that stand around titles and values, in each language (`text.language`)."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys_model.config.text import LanguageCode
from recsys_model.text.tasks import CHOICES


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """Words and marks of one language; every value and every entity brings its own blank in front."""

    code: LanguageCode
    """The language."""
    features_opening: str
    """Opens the features of a user."""
    history_opening: str
    """Opens a history."""
    sentence_end: str
    """Ends a sentence; always a text of its own, so the same mark in a title ends none."""
    feature_separator: str
    """Separates features, and the fields of a behaviour."""
    list_separator: str
    """Separates behaviours and candidates of a question."""
    gap: str
    """What stands between a mark and the word after it: a blank, or nothing."""
    rated: str
    """A rating as a field of a behaviour, with `{rating}`."""
    month: str
    """A time as a field of a behaviour: a format of `strftime`, here for months in digits or words."""
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CHOICES)
    """The words of `CHOICES`, in their order."""
    attribute_names: Mapping[str, str] = field(default_factory=dict)
    """What questions call the attributes of an item, where not by their own names."""

    def fixed_words(self) -> tuple[str, ...]:
        """Return what the textualizer puts around entities."""
        return self.features_opening, self.history_opening, self.sentence_end, self.feature_separator

    def month_of(self, moment: datetime.datetime) -> str:
        """Return the month of a time in words.

        Example:
            >>> moment = datetime.datetime(2024, 5, 1)
            >>> LANGUAGES["en"].month_of(moment), LANGUAGES["zh"].month_of(moment)
            ('May 2024', '2024年5月')
        """
        return self.month.format(moment=moment)


LANGUAGES: dict[LanguageCode, Language] = {
    "en": Language(
        code="en",
        features_opening="User:",
        history_opening="History:",
        sentence_end=".",
        feature_separator=",",
        list_separator=";",
        gap=" ",
        rated="rated {rating:g}",
        month="{moment:%B %Y}",
    ),
    "zh": Language(
        code="zh",
        features_opening="用户：",
        history_opening="历史：",
        sentence_end="。",
        feature_separator="，",
        list_separator="；",
        gap="",
        rated="评分{rating:g}",
        month="{moment.year}年{moment.month}月",
        choices={**CHOICES, "yes_no": ("是", "否")},
        attribute_names={"brand": "品牌", "category": "类别", "price": "价格"},
    ),
}
"""The languages of `text.language`."""
