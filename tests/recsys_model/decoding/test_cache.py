import pytest
import torch

from recsys_model.decoding.cache import BeamCache, PartAEncoder


def attend(query, keys, values):
    """One query over rows of keys and values, by the formula."""
    weights = torch.softmax(keys @ query / query.shape[0] ** 0.5, dim=0)
    return weights @ values


def test_a_beam_sees_its_part_a_and_exactly_the_tokens_that_it_descends_from():
    torch.manual_seed(0)
    visible = torch.tensor([[True, True, True], [True, False, False]])
    part_a = PartAEncoder(visible)
    key_a, value_a = torch.randn(2, 1, 3, 4), torch.randn(2, 1, 3, 4)
    part_a(0, torch.randn(2, 1, 3, 4), key_a, value_a)
    cache = BeamCache(part_a)
    lineage = [[[]], [[]]]
    parents_of_steps = [[[0], [0]], [[0, 0, 0], [0, 0, 0]], [[2, 0], [1, 1]], [[1, 1, 0], [0, 1, 0]]]
    for parents in parents_of_steps:
        cache.advance(torch.tensor(parents))
        query, key, value = torch.randn(3, 2, 1, len(parents[0]), 4)
        mixed = cache(0, query, key, value)
        lineage = [
            [[*lineage[r][parent], (key[r, 0, w], value[r, 0, w])] for w, parent in enumerate(parents[r])]
            for r in range(2)
        ]
        for r in range(2):
            for w, own in enumerate(lineage[r]):
                keys = torch.stack([*key_a[r, 0, visible[r]], *[pair[0] for pair in own]])
                values = torch.stack([*value_a[r, 0, visible[r]], *[pair[1] for pair in own]])
                torch.testing.assert_close(mixed[r, 0, w], attend(query[r, 0, w], keys, values))


@pytest.mark.parametrize("keeps_beams", [False, True])
def test_beams_that_are_fed_several_tokens_at_once_see_what_feeding_them_one_by_one_lets_them_see(keeps_beams):
    torch.manual_seed(3)
    cache = BeamCache(encode(2), keeps_beams=keeps_beams)
    part_a = encode(2)
    key_a, value_a = part_a.keys_LRGAE[0], part_a.values_LRGAE[0]
    lineage = [[[]], [[]]]
    # with `keeps_beams` the last step goes on from beams of the first and of the second
    later_parents = [[0, 3, 2], [4, 4, 1]] if keeps_beams else [[0, 1, 0], [1, 1, 0]]
    steps = [
        ([[0, 0], [0, 0]], [[3, 1], [1, 2]]),
        ([[1, 0, 0], [0, 0, 1]], [[1, 0, 2], [1, 1, 1]]),
        (later_parents, [[2, 2, 1], [1, 0, 3]]),
    ]
    for number, (parents, lengths) in enumerate(steps):
        layout = cache.advance(torch.tensor(parents), torch.tensor(lengths))
        query, key, value = torch.randn(3, 2, 2, layout.beams.shape[1], 4)
        mixed = cache(0, query, key, value)
        grown = []
        for r in range(2):
            beams = []
            for w, parent in enumerate(parents[r]):
                own = list(lineage[r][parent])
                for place in range(lengths[r][w]):
                    (at,) = ((layout.beams[r] == w) & (layout.places[r] == place) & layout.is_token[r]).nonzero()[:, 0]
                    own.append((key[r, :, at], value[r, :, at]))
                    keys = torch.stack([*key_a[r].unbind(1), *[pair[0] for pair in own]], dim=1)
                    values = torch.stack([*value_a[r].unbind(1), *[pair[1] for pair in own]], dim=1)
                    for head in range(2):
                        expected = attend(query[r, head, at], keys[head], values[head])
                        torch.testing.assert_close(mixed[r, head, at], expected)
                    assert cache.positions()[r, at] == 5 + len(own) - 1
                beams.append(own)
            grown.append(beams)
        lineage = [old + new for old, new in zip(lineage, grown, strict=True)] if keeps_beams and number else grown


def test_requests_that_stay_do_not_notice_that_others_left():
    torch.manual_seed(1)
    states = [torch.randn(3, 3, 2, 2, 4) for _ in range(4)]
    everybody, survivors = (BeamCache(encode(3)) for _ in range(2))
    kept = torch.tensor([0, 2])
    for step, (query, key, value) in enumerate(states):
        parents = torch.tensor([[0, 0] if step == 0 else [1, 0]] * 3)
        everybody.advance(parents)
        expected = everybody(0, query, key, value)
        if step < 2:
            survivors.advance(parents)
            survivors(0, query, key, value)
            continue
        if step == 2:
            survivors.keep_requests(kept)
        survivors.advance(parents[kept])
        torch.testing.assert_close(survivors(0, query[kept], key[kept], value[kept]), expected[kept])


def encode(num_requests):
    generator = torch.Generator().manual_seed(2)
    part_a = PartAEncoder(torch.ones(num_requests, 5, dtype=torch.bool))
    part_a(0, *torch.randn(3, num_requests, 2, 5, 4, generator=generator))
    return part_a
