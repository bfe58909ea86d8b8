"""Which task and which words are drawn, and what candidates are drawn with them."""

from collections import Counter
from typing import Any

import pytest

from recsys_model.config import TasksConfig
from recsys_model.errors import ConfigError, DataError
from recsys_model.text.negatives import draw_negatives, shuffled_with
from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.task_sampling import TaskSampler, with_choices
from recsys_model.text.tasks import FAMILIES, TASKS
from recsys_model.text.templates import load_templates
from recsys_model.text.textualize import Behaviour

TEMPLATES = load_templates()
ALL = TasksConfig(template_share=1.0, **{f"{family}_weight": 1.0 for family in FAMILIES})  # type: ignore[arg-type]


def facts(**changes: Any) -> TaskFacts:
    known: dict[str, Any] = {
        "target": 1,
        "history": [Behaviour(item=0, timestamp=0.0)],
        "rating": 4.0,
        "review": "Fits well.",
        "summary": "good",
        "feature": "weight",
        "explanation": "The weight is low.",
    }
    return TaskFacts(**known | changes)


def drawn(config: TasksConfig, num_draws: int, **changes: Any) -> list[Any]:
    sampler = TaskSampler(TEMPLATES, config)
    return [sampler.draw(facts(**changes), (7, f"user {n // 10}", n % 10, n % 3)) for n in range(num_draws)]


def test_no_draw_of_many_is_an_unseen_template_and_every_seen_one_is_drawn() -> None:
    templates = {template.template_id: template for template in drawn(ALL, 10_000)}
    assert {template.split for template in templates.values()} == {"seen"}
    assert set(templates) == {t.template_id for t in TEMPLATES.templates if t.split == "seen"}


def test_by_default_nothing_is_asked() -> None:
    assert set(drawn(TasksConfig(), 500)) == {None}


def test_with_questions_on_and_default_weights_only_the_sequential_family_is_asked() -> None:
    assert {t.task.family for t in drawn(TasksConfig(template_share=1.0), 500)} == {"sequential"}


def test_half_of_the_examples_are_asked_where_the_share_is_a_half() -> None:
    asked = [template is not None for template in drawn(TasksConfig(template_share=0.5), 4000)]
    assert sum(asked) / 4000 == pytest.approx(0.5, abs=0.04)  # five standard deviations


def test_families_come_by_weight_and_their_variants_alike() -> None:
    config = TasksConfig(template_share=1.0, sequential_weight=1.0, review_weight=3.0)
    counts = Counter(template.task.name for template in drawn(config, 4000))
    shares = {name: count / 4000 for name, count in counts.items()}
    assert shares == pytest.approx({"sequential": 0.25, "review_summary": 0.375, "review_rating": 0.375}, abs=0.04)


def test_only_what_is_known_is_asked() -> None:
    without_review = drawn(ALL, 2000, review="", summary="", explanation="", feature="", rating=None)
    assert {t.task.family for t in without_review} == {"sequential", "direct", "next_item", "candidate"}
    without_history = drawn(ALL, 2000, history=[])
    assert {t.task.name for t in without_history} == {"review_summary", "review_rating"}
    without_hint = drawn(ALL, 2000, feature=" ")
    assert "explanation_hint" not in {t.task.name for t in without_hint}


def test_an_event_of_which_nothing_can_be_asked_is_told_plainly() -> None:
    config = TasksConfig(template_share=1.0, sequential_weight=0.0, review_weight=1.0)
    assert set(drawn(config, 50, review="")) == {None}


def test_a_draw_depends_on_its_key_alone_and_each_part_of_it_matters() -> None:
    sampler = TaskSampler(TEMPLATES, ALL)
    keys: list[tuple[int | str, ...]] = [
        (seed, user, target, epoch)
        for seed in (0, 1)
        for user in ("ann", "bo")
        for target in (3, 4)
        for epoch in range(4)
    ]
    forwards = [sampler.draw(facts(), key) for key in keys]
    again = [TaskSampler(TEMPLATES, ALL).draw(facts(), key) for key in reversed(keys)]
    assert forwards == again[::-1]
    for size in (1, 2, 4, 8, 16):
        changed = [a != b for a, b in zip(forwards, forwards[size:], strict=False)]
        assert sum(changed) > len(changed) / 2, "another epoch, target, user or seed asks something else"


def test_candidates_hold_the_target_once_and_otherwise_items_that_the_user_never_took() -> None:
    config = TasksConfig(num_candidates=5)
    places = Counter()
    for epoch in range(300):
        chosen = with_choices(TASKS["candidate"], facts(), {0, 1, 2}, 9, config, (0, "ann", 2, epoch)).candidates
        assert len(chosen) == len(set(chosen)) == 5
        assert set(chosen) - {1} <= set(range(3, 9))
        places[list(chosen).index(1)] += 1
    assert min(places[place] for place in range(5)) > 30, "the place of the target tells nothing"


def test_yes_no_questions_ask_about_a_wrong_item_in_the_given_share() -> None:
    def asked(no_share: float) -> list[int | None]:
        config, task = TasksConfig(no_share=no_share), TASKS["direct_yes_no"]
        return [with_choices(task, facts(), {0, 1}, 9, config, (0, "ann", n)).question_item for n in range(1000)]

    wrong = [item for item in asked(0.3) if item is not None]
    assert len(wrong) == pytest.approx(300, abs=75)
    assert set(wrong) == set(range(2, 9))
    assert set(asked(0.0)) == {None}
    assert None not in asked(1.0)


def test_other_tasks_are_offered_nothing() -> None:
    assert with_choices(TASKS["rating"], facts(), {1}, 9, TasksConfig(), (0,)) == facts()


def test_negatives_are_uniform_over_the_items_that_are_not_the_users_own() -> None:
    counts = Counter(item for n in range(3000) for item in draw_negatives((0, n), {0, 4}, 7, 2))
    assert set(counts) == {1, 2, 3, 5, 6}
    assert all(count == pytest.approx(1200, abs=140) for count in counts.values())


def test_negatives_depend_on_the_key_alone() -> None:
    assert draw_negatives((0, "ann"), {1}, 1000, 99) == draw_negatives((0, "ann"), [1, 1], 1000, 99)
    assert draw_negatives((0, "ann"), {1}, 1000, 99) != draw_negatives((0, "bo"), {1}, 1000, 99)
    assert sorted(shuffled_with((0, "ann"), 3, [9, 7])) == [3, 7, 9]


def test_a_catalogue_without_enough_other_items_is_refused() -> None:
    with pytest.raises(DataError, match="3 items that the user never took are needed, the catalogue has 2"):
        draw_negatives((0, "ann"), {0, 1}, 4, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template_share": 1.5}, r"tasks\.template_share must be in \[0, 1\], got 1.5"),
        ({"sequential_weight": 0.0}, "tasks weights must be 0 or more, not all 0"),
        ({"rating_weight": -1.0}, "tasks weights must be 0 or more"),
        ({"num_candidates": 1}, "tasks.num_candidates must be at least 2, got 1"),
        ({"no_share": -0.1}, "tasks.no_share must be in"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TasksConfig(**settings)  # type: ignore[arg-type]
