import pytest

from recsys_model.errors import ConfigError
from recsys_platform.config.stages import TrainConfig


@pytest.mark.parametrize(
    ("packing", "use_gpu", "expected"),
    [(None, False, 512), (None, True, None), (True, True, 512), (True, False, 512), (False, False, None)],
)
def test_rows_are_packed_where_asked_for_and_otherwise_on_cpu_alone(packing, use_gpu, expected):
    assert TrainConfig(packing=packing, use_gpu=use_gpu, row_tokens=512).packed_row_tokens == expected


def test_a_row_without_tokens_is_refused():
    with pytest.raises(ConfigError, match=r"train\.row_tokens must be at least 1, got 0"):
        TrainConfig(row_tokens=0)
