import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.pool import EntityPool
from recsys_model.errors import DataError


def walk(pool, tokens):
    node = pool.root
    for token in tokens:
        node = pool.child(node, token)
        if node is None:
            return None
    return node


def test_a_walk_follows_entities_and_leaves_the_pool_where_none_goes_on():
    pool = EntityPool([(1, 2), (1, 3)])
    assert walk(pool, [1, 3]) is not None
    assert walk(pool, [1, 4]) is None
    assert walk(pool, [2]) is None
    assert set(pool.children(walk(pool, [1]))) == {2, 3}


def test_removing_an_entity_keeps_those_that_share_its_beginning():
    pool = EntityPool([(1,), (1, 2, 3), (1, 2, 3, 4), (1, 5)])
    pool.remove((1, 2, 3, 4))
    assert walk(pool, [1, 2, 3, 4]) is None
    assert walk(pool, [1, 2, 3]) is not None
    pool.remove([1, 2, 3])
    assert walk(pool, [1, 2]) is None
    pool.remove((1,))
    assert walk(pool, [1]) is not None
    assert list(pool) == [(1, 5)]


def test_what_is_not_in_the_pool_cannot_be_removed():
    pool = EntityPool([(1, 2)])
    for entity in [(1,), (1, 2, 3), (4,), ()]:
        with pytest.raises(DataError, match="only an entity of the pool"):
            pool.remove(entity)


def test_an_entity_without_tokens_is_refused():
    with pytest.raises(DataError, match="at least 1 token"):
        EntityPool().add([])


def test_a_pool_survives_pickling():
    pool = pickle.loads(pickle.dumps(EntityPool([tuple(range(3000)), (5,)])))
    assert walk(pool, range(3000)) is not None
    assert walk(pool, range(3001)) is None
    assert [5] in pool


entities = st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple)
edits = st.lists(st.tuples(st.booleans(), entities), max_size=30)


@given(edits)
def test_after_any_edits_the_pool_is_what_a_plain_set_says(changes):
    pool, expected = EntityPool(), set()
    for adds, entity in changes:
        if adds:
            pool.add(entity)
            expected.add(entity)
        elif entity in expected:
            pool.remove(entity)
            expected.remove(entity)
    assert set(pool) == expected
    assert len(pool) == len(expected)
    prefixes = {entity[:length] for entity in expected for length in range(len(entity) + 1)} | {()}
    for prefix in prefixes:
        node = walk(pool, prefix)
        following = {entity[len(prefix)] for entity in expected if entity[: len(prefix)] == prefix != entity}
        assert set(pool.children(node)) == following
        assert (prefix in pool) == (prefix in expected)
