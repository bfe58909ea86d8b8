"""Models with random weights of the published geometries, in bf16 on the GPU, and what the device can do at best."""

import dataclasses
import subprocess

import torch

from recsys_model.backbones.glm import GLM
from recsys_model.config import PRESETS, GLMConfig

SIZES: dict[str, GLMConfig] = {
    **{name: PRESETS[name] for name in ("glm-large", "glm-2b", "glm-10b")},
    "tiny": GLMConfig(num_layers=2, hidden_size=32, num_heads=2, vocab_size=16_064, max_sequence_length=256),
}
"""`tiny` is for trying the scripts on a CPU; its vocabulary holds the drawn titles."""
PEAKS = {"A100": (312e12, 2.0e12), "H100": (989e12, 3.35e12), "H200": (989e12, 4.8e12)}
"""Part of a device's name -> dense bf16 FLOP/s and bytes of memory a second, of the SXM boards (NVIDIA's data sheets)."""


def random_model(size: str, device: torch.device) -> GLM:
    """Draw the weights on the device itself: the largest take half a minute there and many on a CPU."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            return GLM(dataclasses.replace(SIZES[size], dropout=0.0))
    finally:
        torch.set_default_dtype(before)


def device_name(device: torch.device) -> str:
    """Say what is measured."""
    if device.type != "cuda":
        return "CPU"
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{torch.cuda.get_device_name(device)}, driver {driver.stdout.strip() or 'unknown'}"


def peaks(device: torch.device) -> tuple[float, float] | None:
    """Return FLOP/s and bytes/s of a known GPU."""
    name = device_name(device)
    return next((both for part, both in PEAKS.items() if part in name), None)


def synchronize(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_gib(device: torch.device) -> float | None:
    """Return the most memory that tensors took on the GPU."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
