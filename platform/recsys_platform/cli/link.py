"""Arguments and code of `recsys link`: which items of a dataset a free text names."""

import argparse
import dataclasses
from typing import Any

from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.entities.linked_text import linker_of
from recsys_model.entities.linking import LinkedEntity
from recsys_platform.config.run import RunConfig

DESCRIPTION = """Show which items of a run's dataset a free text names: the longest match over all titles, at word borders.

  recsys link ray_configs/laptop/demo.yaml "I bought an Alder Lake stove, and a tent"

A title that any sentence may hold ("It", "The One") is found between quotation marks alone."""


def add_link_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `recsys link`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    parser.add_argument("text", help="the free text")


def link_text(config: RunConfig, text: str) -> dict[str, Any]:
    """Return the items that a text names, and how many titles no text can be searched for.

    Raises:
        DataError: the dataset has no catalogue.
    """
    catalog = load_catalog(config.dataset_folder)
    linker = linker_of(catalog)
    entities = [_entity(entity, catalog) for entity in linker.link(text)]
    return {"text": text, "entities": entities, "unlinkable_titles": len(linker.unlinkable)}


def describe_links(result: dict[str, Any]) -> str:
    """Return one line per entity, and one on titles that cannot be found."""
    lines = [
        f"{entity['start']:>5}-{entity['end']:<5} {entity['text']}  ->  {entity['name']} ({', '.join(entity['item_ids'])})"
        for entity in result["entities"]
    ]
    if result["unlinkable_titles"]:
        lines.append(f"{result['unlinkable_titles']} titles have neither letter nor digit and are never found")
    return "\n".join(lines or ["the text names no item"])


def _entity(entity: LinkedEntity, catalog: Catalog) -> dict[str, Any]:
    fields = dataclasses.asdict(entity)
    return {**fields, "item_ids": [catalog.items[item].item_id for item in fields.pop("items")]}
