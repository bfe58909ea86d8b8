#!/usr/bin/env bash
# DeepSpeed 0.19.8, ZeRO stage 3, a module whose forward returns a dataclass with slots that holds its loss.
# Expected: works as at stages 0 to 2, or is refused when the engine is made.
# Seen: the first forward pass raises TypeError "vars() argument must have __dict__ attribute"; a NamedTuple works. The
# hook of stage 3 looks for tensors in tuples, lists, dictionaries and the __dict__ of anything else.
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "deepspeed==0.19.8" "torch==2.13.0" "numpy>=2" setuptools
cd "$folder"
DS_ACCELERATOR=cpu MASTER_ADDR=127.0.0.1 MASTER_PORT=29531 RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 "$folder/venv/bin/python" - <<'PY' 2>&1 | tail -4
from dataclasses import dataclass
from typing import NamedTuple

import deepspeed
import torch
import torch.distributed as dist
from torch import Tensor, nn

deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
dist.init_process_group("gloo")


@dataclass(frozen=True, slots=True)
class Slots:
    loss: Tensor


class Pair(NamedTuple):
    loss: Tensor


class Model(nn.Module):
    def __init__(self, kind: type) -> None:
        super().__init__()
        self.linear, self.kind = nn.Linear(4, 1), kind

    def forward(self, x: Tensor) -> object:
        return self.kind(self.linear(x).sum())


def outcome(kind: type, stage: int) -> str:
    model = Model(kind)
    settings = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": stage}}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=settings, dist_init_required=False)
    try:
        engine.backward(engine(torch.ones(1, 4)).loss)
    except TypeError as error:
        return f"TypeError: {error}"
    return "works"


found = {(kind.__name__, stage): outcome(kind, stage) for kind in (Slots, Pair) for stage in (1, 3)}
print(deepspeed.__version__, found)
assert found == {
    ("Slots", 1): "works",
    ("Slots", 3): "TypeError: vars() argument must have __dict__ attribute",
    ("Pair", 1): "works",
    ("Pair", 3): "works",
}, "stage 3 treats them alike now"
print("as described")
PY
