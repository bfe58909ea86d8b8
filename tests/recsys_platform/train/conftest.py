"""A process group for tests of the engine: one for all, since DeepSpeed keeps the first one that it sees."""

import os
from collections.abc import Iterator

import pytest
import torch.distributed as dist


@pytest.fixture(scope="session")
def process_group() -> Iterator[None]:
    """A group of one, which DeepSpeed takes as it finds it."""
    os.environ.setdefault("LOCAL_RANK", "0")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()
