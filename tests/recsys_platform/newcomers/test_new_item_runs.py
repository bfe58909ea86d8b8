"""The run that holds new items out makes its own dataset and model."""

import pytest

from recsys_model.errors import ConfigError
from recsys_platform.newcomers.runs import build_run
from tests.recsys_platform.tiny_dataset import tiny_config


@pytest.mark.parametrize("name", ["dataset", "checkpoint"])
def test_a_base_that_uses_an_artifact_of_another_run_is_refused_by_its_name(tmp_path, name):
    base = tiny_config(tmp_path, **{name: str(tmp_path / "other" / name)})
    with pytest.raises(ConfigError, match=f"{name} names .*other/{name}.*take {name} out of the run"):
        build_run(base)
