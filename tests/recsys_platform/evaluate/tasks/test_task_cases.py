"""Which questions are asked: drawn by seed, user and task alone, seen and unseen words apart."""

import dataclasses

import pytest

from recsys_model.text.task_facts import TaskFacts
from recsys_model.text.tasks import TASKS
from recsys_model.text.templates import TEMPLATE_SPLITS, load_templates
from recsys_model.text.textualize import Behaviour
from recsys_platform.evaluate.tasks.cases import CaseBuilder, HeldOutEvent, UserDraw

NUM_ITEMS = 30


def event(user: int, place: int = 3, **changes) -> HeldOutEvent:
    facts = TaskFacts(
        target=user % 5 + 10,
        history=(Behaviour(item=user % 5, timestamp=0.0),),
        rating=4.0,
        review="It burns well.",
        summary="Hot",
        feature="flame",
        explanation="The flame is hot.",
    )
    own = frozenset({user % 5, user % 5 + 10})
    return HeldOutEvent(
        user_id=f"u{user:02d}",
        target_index=place,
        facts=dataclasses.replace(facts, **changes),
        own_items=own,
        seen_items=frozenset({user % 5}),
    )


EVENTS = [event(user) for user in range(40)]


def builder(seed: int = 1) -> CaseBuilder:
    return CaseBuilder(load_templates(), seed=seed, num_items=NUM_ITEMS, num_candidates=6)


def drawn_users(events, num_users: int, seed: int = 7) -> list[str]:
    draw = UserDraw(["rating"], num_users, seed)
    for each in events:
        draw.offer(each)
    return [each.user_id for each in draw.drawn("rating")]


@pytest.mark.parametrize("task", list(TASKS))
def test_questions_in_seen_words_never_use_unseen_ones_nor_the_other_way_round(task):
    seen = {template.template_id for template in load_templates().templates if template.split == "seen"}

    in_seen, in_unseen = (builder().build(task, words, EVENTS) for words in TEMPLATE_SPLITS)

    assert all(case.template_id in seen and case.templates == "seen" for case in in_seen)
    assert all(case.template_id not in seen and case.templates == "unseen" for case in in_unseen)
    assert {case.template_id.split("/")[0] for case in in_seen + in_unseen} == {task}
    # forty users meet every wording of six and of two
    assert len({case.template_id for case in in_seen}) == 6
    assert len({case.template_id for case in in_unseen}) == 2
    assert [case.event for case in in_seen] == [case.event for case in in_unseen], "the same in other words"


@pytest.mark.parametrize("task", list(TASKS))
def test_a_question_depends_on_seed_user_and_task_alone(task):
    among_all = {case.event.user_id: case for case in builder().build(task, "seen", EVENTS)}

    alone = {case.event.user_id: case for case in builder().build(task, "seen", EVENTS[5:6])}

    assert alone == {"u05": among_all["u05"]}
    other_seed = builder(seed=2).build(task, "seen", EVENTS)
    assert [case.template_id for case in other_seed] != [
        case.template_id for case in builder().build(task, "seen", EVENTS)
    ]


@pytest.mark.parametrize("task", ["direct_choose", "candidate"])
def test_candidates_are_the_target_and_items_that_the_user_never_took(task):
    for case in builder().build(task, "seen", EVENTS):
        assert len(set(case.facts.candidates)) == len(case.facts.candidates) == 6
        assert set(case.facts.candidates) & case.event.own_items == {case.facts.target}


def test_yes_no_is_asked_about_the_target_and_about_an_item_that_the_user_never_took():
    cases = builder().build("direct_yes_no", "unseen", EVENTS)

    assert [case.event.user_id for case in cases] == [f"u{user:02d}" for user in range(40) for _ in range(2)]
    for right, wrong in zip(cases[::2], cases[1::2], strict=True):
        assert right.facts.answer("yes_no") == "yes"
        assert wrong.facts.answer("yes_no") == "no"
        assert wrong.facts.asked_item not in wrong.event.own_items
        assert right.template_id == wrong.template_id
    assert len({case.facts.question_item for case in cases[1::2]}) > 5


def test_the_drawn_users_do_not_depend_on_the_order_of_the_files():
    users = drawn_users(EVENTS, 10)

    assert drawn_users(EVENTS[::-1], 10) == users == sorted(users)
    assert len(set(users)) == 10
    assert drawn_users(EVENTS, 10, seed=8) != users
    assert set(drawn_users(EVENTS, 4)) < set(users), "fewer users are a part of more"
    assert drawn_users(EVENTS, 0) == drawn_users(EVENTS, 99) == [f"u{user:02d}" for user in range(40)]


def test_users_who_cannot_be_asked_are_neither_drawn_nor_counted():
    draw = UserDraw(["rating", "review_summary"], 2, seed=0)
    for each in [event(0), event(1, rating=None), event(2, review=" "), event(3), event(4, summary="")]:
        draw.offer(each)

    assert draw.num_users == {"rating": 4, "review_summary": 3}
    assert len(draw.drawn("rating")) == len(draw.drawn("review_summary")) == 2
    assert {each.user_id for each in draw.drawn("review_summary")} < {"u00", "u01", "u03"}


def test_of_several_held_out_events_of_a_user_the_first_that_can_be_asked_counts():
    draw = UserDraw(["rating"], 0, seed=0)
    for each in [event(1, 3, rating=None), event(1, 4), event(1, 5), event(2, 3)]:
        draw.offer(each)

    assert [(each.user_id, each.target_index) for each in draw.drawn("rating")] == [("u01", 4), ("u02", 3)]
    assert draw.num_users == {"rating": 2}
