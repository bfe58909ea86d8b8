"""The steps of `recsys demo`: every stage on the generated shop, then one request over HTTP."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recsys_platform.cli import summaries
from recsys_platform.cluster import connected
from recsys_platform.config.run import RunConfig
from recsys_platform.data.stage import run_data
from recsys_platform.demo.shop import write_demo_shop
from recsys_platform.demo.visitor import visitor_payload
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.client import ask
from recsys_platform.serve.stage import serving
from recsys_platform.train.plan import check_training_settings
from recsys_platform.train.stage import run_train

Say = Callable[[str], None]
"""Prints one text."""


def run_demo(config: RunConfig, run_arguments: Sequence[str], say: Say) -> dict[str, Any]:
    """Generate the demo shop, run every stage on it and request one recommendation; return all results.

    Args:
        config: The run; `input.interactions` names a table of the shop.
        run_arguments: The run file and its `--set` overrides, for the commands that the demo suggests at its end.
        say: Prints each step and its result.
    """
    check_training_settings(config)
    shop = Path(config.input.interactions.path).parent
    say(f"[1/6] the demo shop: {summaries.of_shop(write_demo_shop(shop, language=config.text.language))}")
    with connected(config.num_cpus):
        say("[2/6] data: tables -> dataset")
        data = run_data(config, overwrite=True)
        say(summaries.of_data(data))
        say("[3/6] train: dataset -> checkpoint")
        train = run_train(config, overwrite=True)
        say(summaries.of_train(train))
        say("[4/6] evaluate: every user's last purchase against the whole catalogue")
        evaluation = run_evaluate(config, overwrite=True)
        say(summaries.of_evaluation(evaluation))
        say("[5/6] bundle")
        bundle = run_bundle(config, overwrite=True)
        say("[6/6] serve: one request over HTTP")
        with serving(config) as url:
            payload = visitor_payload(config)
            answer = ask(url, payload)
    say(summaries.of_request(payload))
    say(summaries.of_answer(answer))
    report = evaluation.folder / "report.html"
    say(summaries.of_next_steps(report, payload, _program(), run_arguments, url))
    return {"data": data, "train": train, "evaluate": evaluation.to_json(), "bundle": bundle, "answer": answer}


def _program() -> str:
    """Return how the user called this command, or `recsys` if it was not by that name."""
    return sys.argv[0] if Path(sys.argv[0]).name == "recsys" else "recsys"
