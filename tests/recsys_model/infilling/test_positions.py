"""The paper's printed examples, and the automaton against a slow reading of the rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.entities.pool import EntityPool
from recsys_model.infilling.positions import IntraMode, PositionAutomaton, gold_span_ids, part_a_intra_ids

TOKENS = st.integers(0, 3)
POOLS = st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=1, max_size=6)


def test_entity_directly_after_start_continues_the_count_as_in_figure_1() -> None:
    assert PositionAutomaton(EntityPool([(1, 2, 3)])).span_ids([1, 2, 3]) == [1, 2, 3, 4]


def test_separate_token_directly_after_start_is_2_as_in_figure_1() -> None:
    assert PositionAutomaton(EntityPool([(1, 2, 3)])).span_ids([5]) == [1, 2]


def test_every_later_unit_of_a_span_restarts_at_1() -> None:
    automaton = PositionAutomaton(EntityPool([(1, 2), (3, 4)]))
    assert automaton.span_ids([1, 2, 9, 3, 4, 3, 4]) == [1, 2, 3, 1, 1, 2, 1, 2]


def test_growing_passes_through_an_entity_that_ends_inside_a_longer_one() -> None:
    automaton = PositionAutomaton(EntityPool([(1,), (1, 2, 3)]))
    assert automaton.span_ids([1, 2, 3]) == [1, 2, 3, 4]


def test_sequence_that_leaves_the_trie_restarts_at_the_leaving_token() -> None:
    automaton = PositionAutomaton(EntityPool([(1, 2, 3), (4, 5)]))
    assert automaton.span_ids([1, 2, 4, 5]) == [1, 2, 3, 1, 2]


def test_run_mode_counts_through_separate_tokens_and_restarts_at_entities() -> None:
    automaton = PositionAutomaton(EntityPool([(1, 2)]), "run")
    assert automaton.span_ids([8, 9, 1, 2, 8, 9]) == [1, 2, 3, 1, 2, 1, 2]


def test_glm_mode_counts_the_whole_span() -> None:
    assert PositionAutomaton(EntityPool([(1, 2)]), "glm").span_ids([8, 1, 2, 9]) == [1, 2, 3, 4, 5]


def test_part_a_numbers_entities_from_1_and_everything_else_0() -> None:
    assert part_a_intra_ids(7, [1, 4], [3, 7]) == [0, 1, 2, 0, 1, 2, 3]


def test_gold_boundaries_keep_plain_text_that_looks_like_an_entity_apart() -> None:
    automaton = PositionAutomaton(EntityPool([(1, 2)]))
    assert automaton.span_ids([8, 1, 2]) == [1, 2, 1, 2], "1 2 is plain text here, but the automaton cannot know"
    assert gold_span_ids(0, 3, [], []) == [1, 2, 1, 1]


def test_gold_boundaries_part_two_entities_that_together_are_a_third() -> None:
    automaton = PositionAutomaton(EntityPool([(1,), (2,), (1, 2)]))
    assert automaton.span_ids([1, 2]) == [1, 2, 3]
    assert gold_span_ids(0, 2, [0, 1], [1, 2]) == [1, 2, 1]


def test_rest_of_a_cut_entity_counts_from_its_first_hidden_token() -> None:
    assert gold_span_ids(2, 8, [0, 6], [4, 10]) == [1, 2, 3, 1, 1, 1, 2]


def slow_ids(pool: list[list[int]], tokens: list[int]) -> list[int]:
    """Number a span by asking, at each token, whether the current entity so far plus it begins some entity."""

    def begins_an_entity(prefix: list[int]) -> bool:
        return any(entity[: len(prefix)] == prefix for entity in pool)

    ids, current, previous = [1], [], 1
    for place, token in enumerate(tokens):
        if current and begins_an_entity([*current, token]):
            current, previous = [*current, token], previous + 1
        else:
            previous = previous + 1 if place == 0 else 1
            current = [token] if begins_an_entity([token]) else []
        ids.append(previous)
    return ids


@settings(deadline=None)
@given(pool=POOLS, tokens=st.lists(TOKENS, max_size=12))
def test_automaton_agrees_with_a_slow_reading_of_the_rule(pool: list[list[int]], tokens: list[int]) -> None:
    assert PositionAutomaton(EntityPool(pool)).span_ids(tokens) == slow_ids(pool, tokens)


@settings(deadline=None)
@given(pool=POOLS, tokens=st.lists(TOKENS, max_size=12), mode=st.sampled_from(["paper", "run", "glm"]))
def test_ids_already_fed_never_change(pool: list[list[int]], tokens: list[int], mode: IntraMode) -> None:
    automaton = PositionAutomaton(EntityPool(pool), mode)
    whole = automaton.span_ids(tokens)
    assert all(automaton.span_ids(tokens[:length]) == whole[: length + 1] for length in range(len(tokens)))
