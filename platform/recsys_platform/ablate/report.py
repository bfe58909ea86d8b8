"""What the finished runs of an ablation say: figures for JSON, and the sentences that a reader must know."""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_platform.ablate.groups import EvaluatedGroup, load_groups
from recsys_platform.ablate.results import (
    DECIDING,
    SeedRanks,
    load_baselines,
    load_ranks,
    summarize_differences,
    summarize_metrics,
)
from recsys_platform.ablate.runs import Ablation
from recsys_platform.ablate.variants import (
    BASE,
    FREE_GENERATION,
    Variant,
    free_generation_folder,
    same_as_base,
    source_of_free_generation,
)
from recsys_platform.artifacts import open_artifact
from recsys_platform.evaluate.report.wording import number, title_of


def build_report(
    ablation: Ablation, variants: Sequence[Variant], seeds: Sequence[int], failures: Mapping[str, str], *, is_free: bool
) -> dict[str, Any]:
    """Read the finished runs and return what `ablation.json` holds; at least one run of the base is finished.

    Raises:
        DataError: two runs were evaluated on different users.
    """
    base = ablation.base
    ranks = {variant.name: _ranks_of(ablation, variant, seeds, failures) for variant in variants}
    steps = [
        open_artifact(ablation.run_of(variant, seed).checkpoint_folder, "checkpoint").counts["steps"]
        for variant in variants
        for seed in ranks[variant.name]
    ]
    any_seed = min(ranks[BASE.name])
    report = {
        "name": base.name,
        "seeds": list(seeds),
        "split": base.evaluate.split,
        "num_users": len(ranks[BASE.name][any_seed]),
        "steps": {"min": min(steps), "max": max(steps)},
        "baselines_hr_at_10": load_baselines(ablation.run_of(BASE, any_seed).evaluation_folder),
        "same_as_base": [variant.name for variant in same_as_base(base)],
        "failed": dict(failures),
        "rows": _rows(ablation, variants, ranks),
        "groups": [_group(ablation, variants, ranks, group) for group in load_groups(base)],
        "free_generation": _free_generation(ablation, seeds, failures, ranks) if is_free else None,
    }
    return {"statements": describe(report), **report}


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return the sentences above the table."""
    steps, seeds = report["steps"], ", ".join(map(str, report["seeds"]))
    event = "last event" if report["split"] == "test" else "last event but one"
    baselines = ", ".join(f"{title_of(name)} {number(value)}" for name, value in report["baselines_hr_at_10"].items())
    lines = [
        "Each row is the base with only the named settings changed; all else is the same, seeds and users too.",
        _describe_steps(steps["min"], steps["max"]),
        f"The {event} of each of {report['num_users']:,} users is ranked against the whole catalogue. Figures are means over the training seeds {seeds}, ± their standard deviation. HR@10 without a model: "
        f"{baselines}.",
        "A difference is the row minus the base, for the same user and the same seed. The interval over users (95 %, "
        "bootstrap; a user's difference is the mean over the seeds) tells what other users could have given, the interval "
        "over seeds (95 %, Student's t) what other trainings could have given.",
        "*helps* and *hurts* say what the change of that row does to NDCG@10, and only where both intervals leave zero out; "
        "else the row *cannot be told apart* from the base. Among twenty rows without any effect one may leave it out by chance.",
        "The tables of groups hold the same users in every row, chosen by their held-out events in the base's dataset.",
        "What is seen here holds for this data, this size of model and this length of training.",
    ]
    if len(report["seeds"]) == 1:
        lines.append("With one seed nothing is known of the chance of training, so there are no verdicts.")
    if report["same_as_base"]:
        lines.append(f"No rows, since the base has these settings already: {', '.join(report['same_as_base'])}.")
    lines += [f"**Failed and missing**: {name}: {why.splitlines()[0]}" for name, why in report["failed"].items()]
    return lines


def _describe_steps(fewest: int, most: int) -> str:
    if fewest == most:
        return f"Every run was trained for {most:,} optimiser steps."
    return (
        f"**The runs differ in length, {fewest:,} to {most:,} optimiser steps**, since the clock ended some: a small "
        "difference may come from that."
    )


def _ranks_of(
    ablation: Ablation, variant: Variant, seeds: Sequence[int], failures: Mapping[str, str]
) -> dict[int, dict[str, int]]:
    """Return the ranks of the seeds whose runs were finished."""
    return {
        seed: load_ranks(ablation.run_of(variant, seed).evaluation_folder)
        for seed in seeds
        if f"{variant.name}-s{seed}" not in failures
    }


def _rows(ablation: Ablation, variants: Sequence[Variant], ranks: Mapping[str, SeedRanks]) -> list[dict[str, Any]]:
    return [_row(ablation, variant, ranks[variant.name], ranks[BASE.name]) for variant in variants]


def _group(
    ablation: Ablation, variants: Sequence[Variant], ranks: Mapping[str, SeedRanks], group: EvaluatedGroup
) -> dict[str, Any]:
    """Return the rows of some of the users."""
    restricted = {name: group.restrict(of_variant) for name, of_variant in ranks.items()}
    return {
        "title": group.title,
        "num_users": len(group.users),
        "rows": _rows(ablation, variants, restricted),
    }


def _row(ablation: Ablation, variant: Variant, ranks: SeedRanks, base_ranks: SeedRanks) -> dict[str, Any]:
    """Return one row; a variant without a seed to compare has neither metrics nor differences."""
    is_comparable = bool(set(ranks) & set(base_ranks))
    row = {
        "variant": variant.name,
        "title": variant.title,
        "changes": dict(variant.changes),
        "metrics": summarize_metrics(ranks) if ranks else None,
        "differences": None,
        "verdict": None,
    }
    if variant is not BASE and is_comparable:
        row |= _compare(ablation, ranks, base_ranks)
    return row


def _compare(ablation: Ablation, ranks: SeedRanks, other: SeedRanks) -> dict[str, Any]:
    base = ablation.base
    differences = summarize_differences(ranks, other, num_samples=base.evaluate.bootstrap_samples, seed=base.seed)
    return {"differences": differences, "verdict": differences[DECIDING]["verdict"]}


def _free_generation(
    ablation: Ablation, seeds: Sequence[int], failures: Mapping[str, str], ranks: Mapping[str, SeedRanks]
) -> dict[str, Any]:
    """Return free generation beside trie-guided generation with the same models."""
    source = source_of_free_generation(ablation.base)
    guided = ranks[source.name]
    done = [seed for seed in seeds if f"{FREE_GENERATION}-s{seed}" not in failures and seed in guided]
    folders = {seed: free_generation_folder(ablation.base, seed) for seed in done}
    if not done:
        return {"source": source.name, "seeds": []}
    free = {seed: load_ranks(folder) for seed, folder in folders.items()}
    counts = [open_artifact(folder, "evaluation").counts for folder in folders.values()]
    return {
        "source": source.name,
        "seeds": done,
        **{name: sum(count[name] for count in counts) / len(done) for name in ("invalid_share", "invalid_first_share")},
        "metrics": {
            "free": summarize_metrics(free),
            "guided": summarize_metrics({seed: guided[seed] for seed in done}),
        },
        **_compare(ablation, free, guided),
    }
