"""Answers about the served items and models; FastAPI generates OpenAPI from these classes."""

from pydantic import Field

from recsys_model.config import Scoring
from recsys_model.entities.column_cells import Kind
from recsys_platform.serve.fields import StrictModel
from recsys_platform.serve.schemas import ModelInfo

MAX_MATCHES = 50


class ItemDetails(StrictModel):
    """An item of the catalogue."""

    id: str = Field(description="Item id.")
    title: str = Field(description="Title as given; empty if it has none.")
    text: str = Field(description="The unique text that the model generates.")
    is_present: bool = Field(
        description="Whether it can be recommended. A removed item is still known: histories may name it."
    )
    columns: dict[str, float | list[str] | None] = Field(
        description="Its values in the columns that rules may name: a number, or any number of texts."
    )


class ItemMatch(StrictModel):
    """An item with a similar title."""

    id: str = Field(description="Item id.")
    title: str = Field(description="Title as given; empty if it has none.")
    text: str = Field(description="The unique text that the model generates.")


class ItemMatches(StrictModel):
    """Items whose id or title is, or resembles, the given text, best first."""

    items: list[ItemMatch] = Field(description="Exact matches first, then similar ones.")


class ServedModel(StrictModel):
    """A model, and what its requests may say."""

    model: ModelInfo = Field(description="The model.")
    items: int = Field(description="Number of items that can be recommended.")
    catalog_version: int = Field(description="Number of edits of the catalogue since the bundle.")
    scoring: Scoring = Field(description="How items are scored.")
    exact: bool = Field(description="Whether requests without `exact` are searched exactly.")
    max_k: int = Field(description="Largest `k` of a request.")
    user_features: list[str] = Field(description="User features that requests may have.")
    columns: dict[str, Kind] = Field(description="Columns that rules may name, and what each holds.")


class ServedModels(StrictModel):
    """The models behind this endpoint."""

    models: list[ServedModel] = Field(description="One entry for each model.")
