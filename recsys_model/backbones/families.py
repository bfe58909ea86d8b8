"""Read and write the `config.json` of each model family, and build its model.

Causal decoders are imported on first use: transformers' modelling code is as slow to import as torch, and each worker
of a cluster is a process that would wait for it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from recsys_model.backbones.base import Backbone, Geometry
from recsys_model.backbones.chatglm import ChatGLM
from recsys_model.backbones.geometry import CAUSAL_FAMILY, CAUSAL_MODEL_TYPES, CausalConfig, ChatGLMConfig, MaskKind
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_model.errors import ConfigError

MODEL_TYPES = ("glm", "chatglm", *CAUSAL_MODEL_TYPES)
"""Supported values of `model_type`; a file without one describes a GLM."""
OWN_KEY = "recsys"
"""Section of a causal decoder's `config.json` that transformers ignores."""
_FIELD_TO_KEY = {"num_heads": "num_attention_heads"}
_REQUIRED_FLAGS = {"glm": "block_position_encoding", "chatglm": "position_encoding_2d"}
_CHATGLM_SIZES = ("num_layers", "hidden_size", "num_heads", "vocab_size", "inner_hidden_size", "max_sequence_length")


def build_backbone(geometry: Geometry) -> Backbone:
    """Return a new model of the geometry's family, with random weights."""
    if isinstance(geometry, GLMConfig):
        return GLM(geometry)
    if isinstance(geometry, ChatGLMConfig):
        return ChatGLM(geometry)
    assert isinstance(geometry, CausalConfig), "every geometry belongs to a family"
    from recsys_model.backbones.causal import CausalDecoder

    return CausalDecoder(geometry)


def family_of(geometry: Geometry) -> str:
    """Return what `model.family` calls the geometry's family."""
    if isinstance(geometry, GLMConfig):
        return GLM.family
    return ChatGLM.family if isinstance(geometry, ChatGLMConfig) else CAUSAL_FAMILY


def geometry_from_document(document: Mapping[str, Any], mask: MaskKind | None = None) -> Geometry:
    """Read the content of a `config.json`; `mask` overrides the mask of a causal decoder.

    Raises:
        ConfigError: it describes an unknown family, or unsupported parts.
    """
    model_type = document.get("model_type", GLM.family)
    if model_type not in MODEL_TYPES:
        raise ConfigError(f"model_type must be one of {', '.join(map(repr, MODEL_TYPES))}, got {model_type!r}")
    if model_type in CAUSAL_MODEL_TYPES:
        from recsys_model.backbones.causal import read_causal_config

        own = document.get(OWN_KEY) or {}
        settings = {key: value for key, value in document.items() if key != OWN_KEY}
        config = read_causal_config(settings, mask or own.get("mask", "prefix"))
        return dataclasses.replace(config, has_intra_table=own.get("intra_table", True))
    if mask is not None:
        raise ConfigError(f"model.mask is for causal decoders, got {mask!r} for a {model_type}; take it out")
    flag = _REQUIRED_FLAGS[model_type]
    if not document.get(flag, True):
        raise ConfigError(f"{flag} must be true, got {document[flag]!r}; a model without it is not built here")
    if model_type == ChatGLM.family:
        return ChatGLMConfig(**_fields(ChatGLMConfig, document, _CHATGLM_SIZES))
    return GLMConfig(**_fields(GLMConfig, document, ("num_layers", "hidden_size", "num_heads", "vocab_size")))


def document_from_geometry(geometry: Geometry) -> dict[str, Any]:
    """Return what `geometry_from_document` reads back, under the keys of the published files."""
    if isinstance(geometry, CausalConfig):
        own = {"mask": geometry.mask} | ({} if geometry.has_intra_table else {"intra_table": False})
        return {**geometry.settings, OWN_KEY: own}
    assert isinstance(geometry, GLMConfig | ChatGLMConfig), "every geometry belongs to a family"
    values = {_FIELD_TO_KEY.get(name, name): value for name, value in dataclasses.asdict(geometry).items()}
    return {"model_type": family_of(geometry), **values}


def _fields(cls: type, document: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    """Return a geometry's fields by name.

    Raises:
        ConfigError: a required one is not there.
    """
    name_to_key = {item.name: _FIELD_TO_KEY.get(item.name, item.name) for item in dataclasses.fields(cls)}
    missing = [name_to_key[name] for name in required if name_to_key[name] not in document]
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be there, got {', '.join(document) or 'nothing'}")
    return {name: document[key] for name, key in name_to_key.items() if key in document}
