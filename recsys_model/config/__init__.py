"""Settings of the model side: frozen dataclasses that check their own ranges, one file a theme."""

from recsys_model.config.checks import require, settings_from_dict
from recsys_model.config.decoding import DecodingConfig, GenerationConfig, Scoring
from recsys_model.config.geometry import PRESETS, GLMConfig
from recsys_model.config.objective import PLAIN_GLM, HistoryLayout, ObjectiveConfig
from recsys_model.config.tasks import TasksConfig
from recsys_model.config.text import TextConfig, WindowConfig
from recsys_model.config.training import LoraConfig, OptimizerConfig

__all__ = [
    "PLAIN_GLM",
    "PRESETS",
    "DecodingConfig",
    "GLMConfig",
    "GenerationConfig",
    "HistoryLayout",
    "LoraConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "Scoring",
    "TasksConfig",
    "TextConfig",
    "WindowConfig",
    "require",
    "settings_from_dict",
]
