"""The table of a catalogue's item vectors, and what an edited catalogue gets."""

from dataclasses import dataclass, field

import pytest
import torch

from recsys_model.entity_config import BlendWeights, EntityConfig
from recsys_model.entity_head.co_occurrence import count_co_occurrences
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.scorer import build_scorer
from recsys_model.entity_head.vectors import ItemVectors, compute_vectors, extend_vectors, tokens_of
from recsys_model.errors import ConfigError
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone

WIDTH = 16


@dataclass(frozen=True)
class Thing:
    """An item."""

    token_ids: tuple[int, ...]
    field_token_ids: tuple[int, ...] = field(default=())


OLD = [Thing((1, 2), (3, 4, 4)), Thing((5,)), Thing((1, 3), (6,))]
NEW = [Thing((7, 8), (9, 10)), Thing((11, 12))]


def trained_head(**settings: object) -> EntityHead:
    """A head of the old items none of whose tables is at its start."""
    config = EntityConfig(enabled=True, **settings)  # type: ignore[arg-type]
    head = EntityHead(WIDTH, [tokens_of(thing) for thing in OLD], config)
    head.word_scale.fill_(0.75)
    generator = torch.Generator().manual_seed(2)
    for parameter in head.parameters():
        parameter.data.normal_(std=0.5, generator=generator)
    return head.requires_grad_(False)


def test_tokens_of_the_fields_make_the_vector_and_those_of_the_unique_text_where_there_are_none() -> None:
    assert [tuple(tokens_of(thing)) for thing in OLD] == [(3, 4, 4), (5,), (6,)]


def test_the_table_gives_the_scores_and_input_residuals_of_the_head() -> None:
    model, head = tiny_backbone("glm"), trained_head(temperature=2.0)
    table = compute_vectors(head, model, OLD)
    terms = head(model, None, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(table.vectors, terms.vectors / 2.0)
    torch.testing.assert_close(table.inputs, terms.inputs)

    assert torch.equal(table.biases, head.biases)
    assert torch.equal(table.repeat_bias, 100.0 * head.repeat_weight)

    assert table.inputs is not None
    added = table.added(torch.tensor([[2, -1], [-1, 0]]), torch.full((2, 2, 2), -1))
    zero = torch.zeros(WIDTH)
    assert torch.equal(added, torch.stack([torch.stack([table.inputs[2], zero]), torch.stack([zero, table.inputs[0]])]))


def test_the_table_adds_the_items_before_the_last_one_as_the_head_does() -> None:
    model, head = tiny_backbone("glm"), trained_head(earlier_inputs=True)
    table = compute_vectors(head, model, OLD)
    items, earlier = torch.tensor([0, 1, 2, 1]), torch.tensor([[1, 2], [2, -1], [-1, -1], [1, 1]])
    expected = head(model, None, items, earlier).inputs

    torch.testing.assert_close(table.added(items, earlier), expected)
    torch.testing.assert_close(table.added(items.view(2, 2), earlier.view(2, 2, 2)), expected.view(2, 2, WIDTH))
    nothing = torch.tensor([-1])
    assert torch.equal(table.added(nothing, torch.tensor([[-1, -1]])), torch.zeros(1, WIDTH))


def test_a_head_without_inputs_adds_nothing() -> None:
    table = compute_vectors(trained_head(inputs=False), tiny_backbone("glm"), [*OLD, *NEW])
    assert table.inputs is None
    assert table.added(torch.tensor([0, 3]), torch.full((2, 2), -1)) is None


def test_items_that_were_never_trained_have_their_words_alone() -> None:
    model, head = tiny_backbone("glm"), trained_head(temperature=2.0)
    table = compute_vectors(head, model, [*OLD, *NEW])
    old = compute_vectors(head, model, OLD)
    assert head.projection is not None
    assert head.input_projection is not None
    # no trained item has any of their tokens, so all weigh alike
    words = [model.word_vectors(torch.tensor(tokens)).mean(0) for tokens in ((9, 10), (11, 12))]
    new = torch.stack([0.75 * word @ head.projection for word in words]).detach()

    torch.testing.assert_close(table.vectors, torch.cat([old.vectors, new / 2.0]))
    torch.testing.assert_close(table.biases, torch.cat([head.biases, torch.zeros(2)]))
    assert old.inputs is not None
    torch.testing.assert_close(table.inputs, torch.cat([old.inputs, new @ head.input_projection]))


def test_a_catalogue_that_grows_keeps_its_vectors_to_the_bit_and_ends_as_if_computed_at_once() -> None:
    model, head = tiny_backbone("glm"), trained_head(earlier_inputs=True)
    first = compute_vectors(head, model, OLD)
    second = extend_vectors(first, head, model, [*OLD, NEW[0]])
    third = extend_vectors(second, head, model, [*OLD, *NEW])
    at_once = compute_vectors(head, model, [*OLD, *NEW])

    assert torch.equal(third.vectors[:3], first.vectors)
    assert torch.equal(third.vectors[:4], second.vectors)
    torch.testing.assert_close(parts(third), parts(at_once))
    assert extend_vectors(third, head, model, [*OLD, *NEW]) is third
    assert len(first.biases) == 3, "the shorter table stays as it was"


def parts(table: ItemVectors) -> tuple[torch.Tensor | None, ...]:
    return table.vectors, table.biases, table.inputs, table.earlier_inputs


def test_an_item_without_words_cannot_be_added() -> None:
    model = tiny_backbone("glm")
    head = trained_head(words=False)
    assert len(compute_vectors(head, model, OLD).biases) == 3
    with pytest.raises(ConfigError, match=r"only where entity\.words is true"):
        compute_vectors(head, model, [*OLD, *NEW])


def test_a_new_item_without_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="item 3 of the catalogue has no tokens, so it has no vector"):
        compute_vectors(trained_head(), tiny_backbone("glm"), [*OLD, Thing(())])


def test_a_catalogue_shorter_than_the_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="the entity head has 3 items and the catalogue 2; they do not fit"):
        compute_vectors(trained_head(), tiny_backbone("glm"), OLD[:2])


@pytest.mark.parametrize("name", ["glm", "chatglm", "qwen2 causal"])
def test_half_precision_tables_come_out_in_single_and_close(name: str) -> None:
    model, head = tiny_backbone(name), trained_head()
    exact = compute_vectors(head, model, [*OLD, *NEW])
    table = compute_vectors(trained_head().bfloat16(), tiny_backbone(name).bfloat16(), [*OLD, *NEW])
    assert {part.dtype for part in parts(table) if part is not None} == {torch.float32}
    torch.testing.assert_close(parts(table), parts(exact), atol=0.1, rtol=0.05)


def test_a_scorer_keeps_head_blend_and_counts_when_its_catalogue_grows() -> None:
    model, head = tiny_backbone("glm"), trained_head()
    blend = BlendWeights(token=0.1, entity=1.0, co_occurrence=0.0)
    counts = count_co_occurrences([[0, 1]], num_items=3)
    scorer = build_scorer(head, model, OLD, blend, counts)
    longer = scorer.of_items(model, [*OLD, *NEW])
    assert (longer.head, longer.blend, longer.counts) == (head, blend, counts)
    assert (len(scorer.vectors.biases), len(longer.vectors.biases)) == (3, 5)
    assert torch.equal(longer.vectors.vectors[:3], scorer.vectors.vectors)
