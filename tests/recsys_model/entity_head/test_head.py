"""The entity head against slow loops over items and tokens."""

import math
from typing import cast

import pytest
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.errors import CheckpointError, ConfigError
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone

ITEMS = [(1, 2, 3), (4,), (2, 2, 5), (31, 0)]
WIDTH = 16


def random_head(dtype: torch.dtype = torch.float64, **settings: object) -> EntityHead:
    """A head none of whose tables is at its start."""
    config = EntityConfig(enabled=True, word_weights="uniform", **settings)  # type: ignore[arg-type]
    head = EntityHead(WIDTH, ITEMS, config)
    head.word_scale.fill_(0.75)
    generator = torch.Generator().manual_seed(3)
    for parameter in head.parameters():
        parameter.data.normal_(std=0.5, generator=generator)
    return head.to(dtype)


def vector_by_loops(head: EntityHead, model: Backbone, item: int) -> Tensor:
    """Entry by entry: the plain mean over the item's tokens, times the scale, times the matrix, plus the residual."""
    words = cast(Tensor, model.state_dict()["word_embeddings.weight"])
    vector = []
    for column in range(WIDTH):
        entry = torch.zeros((), dtype=words.dtype)
        if head.projection is not None:
            for row in range(WIDTH):
                mean = sum(words[token, row] for token in ITEMS[item]) / len(ITEMS[item])
                entry = entry + mean * head.word_scale * head.projection[row, column]
        if head.residuals is not None:
            entry = entry + head.config.residual_scale * head.residuals[item, column]
        vector.append(entry)
    return torch.stack(vector)


@pytest.mark.parametrize("settings", [{}, {"residual_scale": 10.0}, {"residuals": False}, {"words": False}])
def test_vectors_are_scaled_means_of_words_projected_plus_residuals(settings: dict[str, float]) -> None:
    model, head = tiny_backbone("glm").double(), random_head(**settings)
    terms = head(model, None, torch.tensor([2, 0, 2]))
    expected = torch.stack([vector_by_loops(head, model, item) for item in range(4)])
    torch.testing.assert_close(terms.vectors, expected, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(head.item_vectors(model), expected, atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(terms.biases, head.biases)
    assert head.input_projection is not None
    inputs = torch.stack([expected[item] @ head.input_projection for item in (2, 0, 2)])
    torch.testing.assert_close(terms.inputs, inputs, atol=1e-7, rtol=1e-6)


def gradients(head: EntityHead, model: Backbone, loss: Tensor) -> dict[str, Tensor]:
    loss.backward()
    named = [*head.named_parameters(), *model.named_parameters()]
    found = {name: p.grad.clone() for name, p in named if p.grad is not None}
    head.zero_grad()
    model.zero_grad()
    return found


@pytest.mark.parametrize(
    "settings",
    [{}, {"residuals": False}, {"words": False}, {"inputs": False}, {"repeat_bias": False}, {"earlier_inputs": True}],
)
@pytest.mark.parametrize("scored", [[3, 0, 3], [1], []])
def test_terms_and_gradients_of_some_items_are_those_of_all_items_cut_down(
    settings: dict[str, float], scored: list[int]
) -> None:
    model, head = tiny_backbone("glm").double(), random_head(**settings)
    inputs, earlier = torch.tensor([2, 2, 0]), torch.tensor([[1, 1], [0, -1], [-1, -1]])
    some = head(model, torch.tensor(scored, dtype=torch.int64), inputs, earlier)
    every = head(model, None, inputs, earlier)
    cut = (every.vectors[scored], every.biases[scored], every.inputs, every.repeat_bias)

    torch.testing.assert_close(tuple(some), cut, atol=1e-12, rtol=1e-12)

    def loss(terms: tuple[Tensor | None, ...]) -> Tensor:
        parts = [part for part in terms if part is not None]
        weighted = [part**2 * torch.arange(1.0, part.numel() + 1).view(part.shape) for part in parts]
        return torch.stack([part.sum() for part in weighted]).sum()

    found, expected = gradients(head, model, loss(some)), gradients(head, model, loss(cut))
    assert found.keys() == expected.keys()
    assert any(float(gradient.abs().max()) > 0 for gradient in found.values())
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)


def test_words_carry_gradients_to_the_word_embedding_and_only_to_tokens_of_items() -> None:
    model, head = tiny_backbone("glm"), random_head(torch.float32)
    head.item_vectors(model).sum().backward()
    gradient = cast(Tensor, model.get_parameter("word_embeddings.weight").grad)
    touched = {int(token) for token in gradient.abs().sum(1).nonzero()}
    assert touched == {0, 1, 2, 3, 4, 5, 31}


def test_parts_that_are_off_have_no_tables() -> None:
    def tables(**settings: bool) -> set[str]:
        return set(EntityHead(WIDTH, ITEMS, EntityConfig(**settings)).state_dict())  # type: ignore[arg-type]

    all_tables = {"word_scale", "residuals", "biases", "repeat_weight", "projection", "input_projection"}
    assert tables() == all_tables
    assert tables(words=False) == all_tables - {"projection"}
    assert tables(residuals=False) == all_tables - {"residuals"}
    assert tables(repeat_bias=False) == all_tables - {"repeat_weight"}
    assert tables(inputs=False) == all_tables - {"input_projection"}
    assert tables(earlier_inputs=True) == all_tables | {"earlier_projections"}


def test_earlier_items_add_their_vectors_each_through_its_own_matrix_once_trained() -> None:
    model = tiny_backbone("glm")
    head = EntityHead(WIDTH, ITEMS, EntityConfig(earlier_inputs=True), is_new=True)
    inputs, earlier = torch.tensor([1, 3]), torch.tensor([[2, 0], [2, -1]])
    assert torch.equal(head(model, None, inputs, earlier).inputs, head(model, None, inputs).inputs)
    with torch.no_grad():
        head.earlier_projections.normal_()
    vectors_ND = head.item_vectors(model)
    first, second = head.earlier_projections
    torch.testing.assert_close(
        head(model, None, inputs, earlier).inputs,
        torch.stack(
            [vectors_ND[1] + vectors_ND[2] @ first + vectors_ND[0] @ second, vectors_ND[3] + vectors_ND[2] @ first]
        ),
    )


def test_a_new_head_is_words_alone_and_adds_nothing_to_inputs() -> None:
    model = tiny_backbone("glm")
    head = EntityHead(WIDTH, ITEMS, EntityConfig(word_weights="uniform"))
    terms = head(model, None, torch.tensor([1, 3]))
    words = model.word_vectors(torch.arange(32))
    means = torch.stack([words[list(tokens)].mean(0) for tokens in ITEMS])
    torch.testing.assert_close(terms.vectors, means)
    assert torch.equal(terms.biases, torch.zeros(4))
    assert torch.equal(terms.repeat_bias, torch.zeros(1))
    assert torch.equal(terms.inputs, torch.zeros(2, WIDTH))


def test_a_head_of_a_new_model_adds_the_item_vector_itself_to_inputs() -> None:
    model = tiny_backbone("glm")
    head = EntityHead(WIDTH, ITEMS, EntityConfig(), is_new=True)
    terms = head(model, None, torch.tensor([1, 3]))
    torch.testing.assert_close(terms.inputs, terms.vectors[[1, 3]])


def test_new_items_have_the_vectors_that_their_words_would_have_in_the_tables() -> None:
    model, head = tiny_backbone("glm").double(), random_head()
    assert head.residuals is not None
    new = head.new_vectors(model, [ITEMS[2], (9, 9, 9), ITEMS[0]])
    without_residuals = head.item_vectors(model) - head.residuals
    torch.testing.assert_close(new[[0, 2]], without_residuals[[2, 0]], atol=1e-7, rtol=1e-6)
    word = model.word_vectors(torch.tensor([9])) * 0.75
    assert head.projection is not None
    torch.testing.assert_close(new[1], (word @ head.projection)[0], atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_words_are_measured_in_units_of_their_usual_size(name: str) -> None:
    model = tiny_backbone(name)
    head = EntityHead(WIDTH, ITEMS, EntityConfig())
    head.measure_words(model)
    tokens = sorted({token for tokens in ITEMS for token in tokens})
    entries = [entry for token in tokens for entry in model.word_vectors(torch.tensor([token]))[0].tolist()]
    size = math.sqrt(sum(entry**2 for entry in entries) / len(entries))
    assert float(head.word_scale) == pytest.approx(1 / size, rel=1e-5)
    one_token = EntityHead(WIDTH, [(token,) for token in tokens], EntityConfig())
    one_token.measure_words(model)
    assert one_token.item_vectors(model).square().mean().item() == pytest.approx(1.0, rel=1e-5)


def test_a_head_without_words_measures_nothing() -> None:
    head = EntityHead(WIDTH, ITEMS, EntityConfig(words=False))
    head.measure_words(tiny_backbone("glm"))
    assert float(head.word_scale) == 1.0


def test_the_temperature_is_the_root_of_the_width_over_12_unless_it_is_given() -> None:
    assert EntityHead(144, ITEMS, EntityConfig()).temperature == 1.0
    assert EntityHead(36, ITEMS, EntityConfig()).temperature == 0.5
    assert EntityHead(36, ITEMS, EntityConfig(temperature=3.0)).temperature == 3.0


def test_an_item_without_tokens_is_refused_by_its_number_where_words_are_needed() -> None:
    with pytest.raises(CheckpointError, match="item 1 has no tokens, so it has no vector; give it a title"):
        EntityHead(WIDTH, [(1,), (), (2,)], EntityConfig())
    assert EntityHead(WIDTH, [(1,), (), (2,)], EntityConfig(words=False)).num_items == 3


def test_a_new_item_is_refused_where_the_head_has_no_words() -> None:
    with pytest.raises(ConfigError, match=r"only where entity\.words is true; retrain with it"):
        random_head(words=False).new_vectors(tiny_backbone("glm"), [(1,)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": False, "earlier_inputs": True}, r"set entity\.inputs to true, or entity\.earlier_inputs to false"),
        ({"residual_scale": 0.0}, r"entity\.residual_scale must be above 0, got 0\.0"),
        ({"words": False, "residuals": False}, r"entity\.words and entity\.residuals are both false"),
        ({"fields": ()}, r"entity\.fields must name at least one field, got none"),
        ({"fields": ("title", "title")}, r"entity\.fields must name each field once"),
        ({"negatives": -1}, r"entity\.negatives must not be negative, got -1"),
        ({"temperature": 0.0}, r"entity\.temperature must be above 0, got 0\.0"),
    ],
)
def test_settings_that_make_no_head_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EntityConfig(**settings)
