"""The units of texts, and the beginning of a text of so many units."""

import pytest

from recsys_model.text.units import characters_and_words, first_units, num_units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("很好用。", ["很", "好", "用"]),
        ("USB-C接口 20Ｗ！", ["usb", "c", "接", "口", "20ｗ"]),
        ("カメラ用", ["カ", "メ", "ラ", "用"]),
        ("𠮷野家々", ["𠮷", "野", "家", "々"]),
        ("Ünder_score 3.5", ["ünder", "score", "3", "5"]),
        ("，。！ ", []),
    ],
)
def test_han_characters_and_kana_are_units_and_other_words_are_whole(text: str, units: list[str]) -> None:
    assert characters_and_words(text) == units
    assert num_units(text, "zh") == len(units)


def test_english_units_stand_between_blanks() -> None:
    assert num_units("It's  3.5, really.", "en") == 3


@pytest.mark.parametrize(
    ("text", "count", "language", "beginning"),
    [
        ("It  works. Really", 2, "en", "It works."),
        ("It works", 9, "en", "It works"),
        ("做工很好， 推荐USB款", 5, "zh", "做工很好， 推"),
        ("做工很好，推荐USB款", 7, "zh", "做工很好，推荐USB"),
        ("，，", 2, "zh", ""),
        ("好", 0, "zh", ""),
    ],
)
def test_a_text_is_cut_behind_a_unit(text: str, count: int, language, beginning: str) -> None:
    assert first_units(text, count, language) == beginning
