"""Run the data stage on Amazon Beauty and print its counts and seconds.

Run from the root of the project: python tests/benchmarks/data_beauty.py STORAGE [NUM_BLOCKS ...]
"""

import json
import logging
import sys
from pathlib import Path

import ray

from recsys_platform.artifacts import open_artifact
from recsys_platform.config.run import load_config
from recsys_platform.data.stage import run_data

CONFIG = Path("tests/benchmarks/beauty_tokens.yaml")


def main(storage: str, blocks: list[int]) -> None:
    """Run the stage once per number of blocks and compare the files."""
    ray.init(address="local", num_cpus=4, include_dashboard=False)
    checksums = []
    for num_blocks in blocks:
        overrides = [f"storage={storage}", f"name=beauty-{num_blocks}", f"data.num_blocks={num_blocks}"]
        config = load_config(CONFIG, overrides)
        report = run_data(config, overwrite=True)
        print(json.dumps({"num_blocks": num_blocks, **report}))
        files = open_artifact(config.dataset_folder, "dataset").files
        checksums.append({name: entry["sha256"] for name, entry in files.items()})
    print("byte-equal for all block counts:", all(files == checksums[0] for files in checksums))
    ray.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(sys.argv[1], [int(text) for text in sys.argv[2:]] or [1, 16])
