"""What somebody with the published code would call: a state dict, its config, and that code's own arguments."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recsys_model.backbones.checkpoint import model_from_state
from recsys_model.backbones.families import geometry_from_document
from recsys_model.backbones.published import published_logits, visible_from_published
from recsys_model.errors import CheckpointError, DataError
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone


@pytest.mark.parametrize("case", ["a1_sep_vector", "a3_mask4d", "a6_recsysllm_fig1", "a6_glm_fig1"])
def test_a_published_state_and_published_arguments_give_the_published_logits(shared_oracle: Path, case: str) -> None:
    document = json.loads((shared_oracle / "glm_tiny_meta.json").read_text())["config"]
    state = load_file(shared_oracle / "glm_tiny_state.safetensors")
    vectors = load_file(shared_oracle / "glm_tiny_vectors.safetensors")
    model = model_from_state(geometry_from_document(document), state, dtype=torch.float64).eval()
    arguments = [vectors[f"{case}.{name}"] for name in ("input_ids", "position_ids", "attention_mask")]
    with torch.no_grad():
        logits = published_logits(model, *arguments)
    torch.testing.assert_close(logits, vectors[f"{case}.logits_f64"], atol=1e-10, rtol=0)


def test_a_published_chatglm_marks_what_is_hidden(shared_oracle: Path) -> None:
    document = json.loads((shared_oracle / "chatglm_tiny_meta.json").read_text())["config"]
    state = load_file(shared_oracle / "chatglm_tiny_state.safetensors")
    vectors = load_file(shared_oracle / "chatglm_tiny_vectors.safetensors")
    model = model_from_state(geometry_from_document({"model_type": "chatglm", **document}), state).eval()
    mask = vectors["final.attention_mask_bool_true_is_masked"]
    with torch.no_grad():
        logits = published_logits(model, vectors["final.input_ids"], vectors["final.position_ids"], mask.bool())
    torch.testing.assert_close(logits, vectors["final.logits"], atol=3e-5, rtol=0)


def test_gelu_in_a_config_changes_the_logits_as_the_tanh_formula_does(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"num_layers": 2, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 9, "max_sequence_length": 8}
    torch.manual_seed(0)
    geometry = geometry_from_document({**document, "gelu": "tanh"})
    state = {name: torch.randn(value.shape) for name, value in model_shapes(document).items()}
    arguments = (torch.tensor([[5, 7, 6]]), torch.tensor([[[0, 1, 1], [0, 0, 1]]]), torch.tensor([2]))

    def tanh_by_hand(x: torch.Tensor, approximate: str) -> torch.Tensor:
        assert approximate == "none"
        return 0.5 * x * (1.0 + torch.tanh((2.0 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))

    with torch.no_grad():
        by_key = published_logits(model_from_state(geometry, state, dtype=torch.float64), *arguments)
        erf = model_from_state(geometry_from_document(document), state, dtype=torch.float64)
        by_default = published_logits(erf, *arguments)
        monkeypatch.setattr(torch.nn.functional, "gelu", tanh_by_hand)
        by_hand = published_logits(erf, *arguments)
    torch.testing.assert_close(by_key, by_hand, atol=1e-12, rtol=1e-12)
    assert not torch.allclose(by_key, by_default, atol=1e-6)


def model_shapes(document: dict[str, int]) -> dict[str, torch.Tensor]:
    """The published names and shapes, written down from the specification."""
    width, rows = document["hidden_size"], document["max_sequence_length"] + 1
    shapes = {
        "word_embeddings.weight": (document["vocab_size"], width),
        "transformer.position_embeddings.weight": (rows, width),
        "transformer.block_position_embeddings.weight": (rows, width),
    }
    linears = {"attention.query_key_value": (3, 1), "attention.dense": (1, 1)}
    linears |= {"mlp.dense_h_to_4h": (4, 1), "mlp.dense_4h_to_h": (1, 4)}
    for layer in range(document["num_layers"]):
        for name, (outputs, inputs) in linears.items():
            shapes[f"transformer.layers.{layer}.{name}.weight"] = (outputs * width, inputs * width)
            shapes[f"transformer.layers.{layer}.{name}.bias"] = (outputs * width,)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes |= {f"transformer.layers.{layer}.{name}.{part}": (width,) for part in ("weight", "bias")}
    shapes |= {f"transformer.final_layernorm.{part}": (width,) for part in ("weight", "bias")}
    return {name: torch.empty(shape) for name, shape in shapes.items()}


def test_a_state_that_does_not_fit_is_named_with_its_source() -> None:
    document = {"num_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 9}
    with pytest.raises(CheckpointError, match=r"(?s)weights in their file do not fit.*1 unknown: head"):
        model_from_state(geometry_from_document(document), {"glm.head": torch.zeros(1)}, source="their file")


def test_one_mask_serves_a_whole_batch_and_two_by_two_tokens_are_no_lengths() -> None:
    mask = torch.tensor([[[[1, 0], [1, 1]]]])
    assert visible_from_published(mask, 2, 2).tolist() == [[[True, False], [True, True]]] * 2
    assert visible_from_published(mask, 2, 2, ones_are_hidden=True)[1].tolist() == [[False, True], [False, False]]
    assert visible_from_published(torch.tensor([[1], [0]]), 2, 2)[1].tolist() == [[True, False], [True, True]]


def test_without_a_mask_glm_is_causal_and_chatglm_sees_what_precedes_the_answer() -> None:
    ids, positions = torch.tensor([[5, 7, 6, 8]]), torch.tensor([[[0, 1, 1, 1], [0, 0, 1, 2]]])
    for name, length in (("glm", 0), ("chatglm", 2)):
        model = tiny_backbone(name).eval()
        with torch.no_grad():
            torch.testing.assert_close(
                published_logits(model, ids, positions), published_logits(model, ids, positions, torch.tensor([length]))
            )


def test_a_mask_of_two_dimensions_hides_padding_in_every_family() -> None:
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert visible_from_published(mask, 2, 3).int().tolist() == [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 1, 1]],
    ]
    ids, positions = torch.tensor([[5, 7, 6, 8]]), torch.tensor([[[0, 1, 1, 1], [0, 0, 1, 2]]])
    padded = torch.tensor([[3, 5, 7, 6, 8]]), torch.tensor([[[0, 0, 1, 1, 1], [0, 0, 0, 1, 2]]])
    for name in ("glm", "chatglm"):
        model = tiny_backbone(name).eval()
        with torch.no_grad():
            alone = published_logits(model, ids, positions)
            beside_padding = published_logits(model, *padded, torch.tensor([[0, 1, 1, 1, 1]]))
        torch.testing.assert_close(beside_padding[:, 1:], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "positions", "mask", "problem"),
    [
        ("glm", (1, 3), (1,), r"position_ids must be \[B, 2, T\], here \(1, 2, 3\), got \(1, 3\)"),
        (
            "glm",
            (1, 2, 3),
            (1, 3, 3),
            r"must hold 1 lengths of part A or be \[B, T\] or \[B, 1, T, T\] with T = 3, got \(1, 3, 3\)",
        ),
        ("llama prefix", (1, 2, 3), (1,), "must have inter and intra positions, got a causal decoder"),
    ],
)
def test_arguments_of_another_shape_are_refused(name: str, positions: tuple, mask: tuple, problem: str) -> None:
    ids = torch.zeros((1, 3), dtype=torch.int64)
    with pytest.raises(DataError, match=problem):
        published_logits(tiny_backbone(name), ids, torch.zeros(positions, dtype=torch.int64), torch.zeros(mask))
