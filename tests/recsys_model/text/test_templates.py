"""The shipped templates, and what the loader refuses."""

import re
import tomllib
from collections import Counter
from importlib import resources

import pytest

from recsys_model.errors import ConfigError
from recsys_model.text.tasks import FAMILIES, TASKS
from recsys_model.text.templates import TEMPLATE_FILES, Field, Part, load_templates, parse_templates

SHIPPED = resources.files("recsys_model.text").joinpath("templates.toml").read_text(encoding="utf-8")


def parse_with(old: str, new: str) -> None:
    assert SHIPPED.count(old) == 1, "the shipped file must hold what is replaced"
    parse_templates(SHIPPED.replace(old, new))


@pytest.mark.parametrize("language", TEMPLATE_FILES)
def test_every_variant_of_the_seven_families_has_six_seen_and_two_unseen_templates(language) -> None:
    counts = Counter((template.task.name, template.split) for template in load_templates(language).templates)
    assert set(counts) == {(task, split) for task in TASKS for split in ("seen", "unseen")}
    assert all(count >= {"seen": 6, "unseen": 2}[split] for (_, split), count in counts.items())
    assert FAMILIES == ("rating", "sequential", "explanation", "review", "direct", "next_item", "candidate")


def test_families_with_two_variants() -> None:
    variants = Counter(task.family for task in TASKS.values())
    assert {family for family, count in variants.items() if count == 2} == {"explanation", "review", "direct"}


@pytest.mark.parametrize("language", TEMPLATE_FILES)
def test_every_field_of_a_task_is_told_by_some_seen_template(language) -> None:
    for task in TASKS.values():
        told = {
            name for t in load_templates(language).of(task.name, "seen") for part in t.parts for name in part.fields
        }
        assert told == set(task.required + task.optional), task.name


def test_all_templates_of_the_file_are_loaded() -> None:
    document = tomllib.loads(SHIPPED)
    written = {f"{task}/{name}" for task, splits in document.items() for split in splits.values() for name in split}
    assert {template.template_id for template in load_templates().templates} == written


def test_both_languages_have_the_same_templates_with_the_same_fields() -> None:
    def described(language):
        return {
            template.template_id: (template.split, frozenset(name for part in template.parts for name in part.fields))
            for template in load_templates(language).templates
        }

    assert described("zh") == described("en")


def test_chinese_templates_are_chinese() -> None:
    for template in load_templates("zh").templates:
        words = re.sub(r"\{\w+\}", "", template.text)
        assert not re.search(r"[a-zA-Z.,;:?!()]", words), f"{template.template_id} has Latin letters or marks"


def test_messages_name_the_file_of_the_language() -> None:
    with pytest.raises(ConfigError, match=r"templates_zh\.toml must have the tasks"):
        parse_templates("", "templates_zh.toml")


def test_a_template_is_taken_apart_into_words_fields_and_optional_parts() -> None:
    assert load_templates()["rating/stars"].parts == (
        Part(("A shopper",), is_optional=False),
        Part((" with", Field("user")), is_optional=True),
        Part(
            (
                " has bought",
                Field("history"),
                ". How many stars, from 1 to 5, will this shopper give",
                Field("item"),
                "?",
            ),
            is_optional=False,
        ),
    )


RATING_STARS = (
    "A shopper[ with {user}] has bought {history}. How many stars, from 1 to 5, will this shopper give {item}?"
)
SEQUENTIAL_CONTINUE = "Continue this list of purchases by one item: {history}."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (RATING_STARS, RATING_STARS.replace("{item}", "it"), "rating/stars: field 'item' must be there, outside"),
        (RATING_STARS, RATING_STARS.replace("{item}", "{tiem}"), "rating/stars: rating has no field 'tiem', which is"),
        (RATING_STARS, RATING_STARS.replace("{item}", "{review}"), "rating/stars: rating has no field 'review'; take"),
        (RATING_STARS, RATING_STARS.replace("[ with {user}]", ""), "rating/stars: field 'user' must be there inside"),
        (RATING_STARS, RATING_STARS.replace("[ with {user}]", " {user}"), "rating/stars: field 'user' must be there"),
        (RATING_STARS, RATING_STARS.replace(" {history}", "[ {history}]"), "'history' must be there, outside"),
        (RATING_STARS, RATING_STARS + " {item}", "rating/stars: field 'item' must occur once"),
        (RATING_STARS, RATING_STARS.replace(" {item}", "({item})"), "stars: a blank must stand before field 'item'"),
        (RATING_STARS, RATING_STARS.replace("{item}", "{item"), "rating/stars: every brace and bracket"),
        (RATING_STARS, RATING_STARS + "]", "rating/stars: every brace and bracket"),
        (RATING_STARS, RATING_STARS + "[ really]", "rating/stars: a part in brackets must have a field"),
        (SEQUENTIAL_CONTINUE, SEQUENTIAL_CONTINUE + "[ {item}]", "sequential/continue: sequential has no field 'item'"),
        ("missing = ", "next = ", "sequential/next: its name must be unique"),
        ("continue = ", "next = ", "cannot be read as TOML"),
        ("[rating.unseen]", "[rating.hidden]", "rating must have seen and unseen; got seen, hidden"),
        ("[rating.unseen]", "[ratings.unseen]", "must have the tasks rating,"),
        (f'continue = "{SEQUENTIAL_CONTINUE}"', "", "sequential must have at least 6 seen templates, got 5"),
        ('then = "This user', '# "This user', "next_item must have at least 2 unseen templates, got 1"),
    ],
)
def test_a_wrong_template_is_refused_by_name(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_with(old, new)


def test_two_templates_may_not_differ_in_case_and_punctuation_alone() -> None:
    future = "Continue this list - of PURCHASES, by one item! {history}"
    log = next(line for line in SHIPPED.splitlines() if line.startswith("log = "))
    with pytest.raises(ConfigError, match="sequential/log: its wording must be its own, it equals sequential/continue"):
        parse_with(log, f'log = "{future}"')


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"rating/stars.*got 'rating/nothing'"):
        load_templates()["rating/nothing"]
    with pytest.raises(ConfigError, match="got 'ratings' and 'seen'"):
        load_templates().of("ratings", "seen")
