"""Requests and answers of `/v1/items`, the catalogue edits; FastAPI generates OpenAPI from these classes."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from recsys_model.entities.edit_requests import NewItem
from recsys_platform.serve.fields import MAX_CATEGORIES, FeatureValue, StrictModel, Text
from recsys_platform.serve.schemas import MAX_LISTED
from recsys_platform.values.ids import canonical_id
from recsys_platform.values.labels import canonical_label, canonical_word, unescape

# as the data stage writes them: an item is the same in a table and in a request
ItemId = Annotated[Text, AfterValidator(canonical_id)]
Title = Annotated[Text, AfterValidator(unescape)]
Brand = Annotated[Text, AfterValidator(canonical_label)]
Category = Annotated[Text, AfterValidator(canonical_word)]
Cell = FeatureValue | Annotated[list[Text], Field(max_length=MAX_CATEGORIES)]
MAX_COLUMNS = 200
ITEM_EXAMPLE: dict[str, Any] = {
    "id": "B0009RF9DW",
    "title": "Camping Stove, 2 burners",
    "brand": "Acme",
    "categories": ["Camping", "Stoves"],
    "columns": {"price": 19.9},
}


class ItemFields(StrictModel):
    """An item to add."""

    id: ItemId = Field(description="Your own id of the item.", examples=["B0009RF9DW"])
    title: Title = Field(
        description="The text that the model generates and reads in histories. Items may share a title: "
        "the text of the new item is then extended by brand, category or id.",
        examples=["Camping Stove, 2 burners"],
    )
    brand: Brand | None = Field(None, description="Distinguishes items with equal titles.")
    categories: list[Category] = Field(
        [],
        max_length=MAX_CATEGORIES,
        description="From coarse to fine; the last one distinguishes items with equal titles.",
    )

    columns: dict[Text, Cell] = Field(
        {},
        max_length=MAX_COLUMNS,
        description="Values in the columns of the items table that `rules` may name: a text, a number, true/false, or a "
        "list of texts. The columns `brand` and `categories` take the fields of these names. A column without a value "
        "keeps the one that an item with this id has, if it comes back with the same title.",
        examples=[{"price": 19.9}],
    )

    def to_new_item(self) -> NewItem:
        """Return the item in the form that `recsys_model` takes."""
        return NewItem(
            item_id=self.id,
            title=self.title,
            brand=self.brand,
            categories=tuple(filter(None, self.categories)),
            columns={name: _as_in_tables(value) for name, value in self.columns.items()},
        )


def _as_in_tables(value: Any) -> Any:
    """Return a value of a column with its texts as the data stage writes them."""
    if isinstance(value, list):
        return list(filter(None, map(canonical_word, value)))
    return canonical_word(value) if isinstance(value, str) else value


PostedItems = Annotated[list[ItemFields], Field(max_length=MAX_LISTED)]


class EditRequest(StrictModel):
    """Items to add and to remove as one step: no request sees only a part of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"add": [ITEM_EXAMPLE], "remove": ["B000142FVW"]}, {"remove": ["B000142FVW", "B000B5YPKO"]}]
        }
    )

    add: PostedItems = Field([], description="Items to add. To replace an item, remove its id in the same edit.")
    remove: list[ItemId] = Field(
        [], max_length=MAX_LISTED, description="Ids of items to remove. Histories may still name them."
    )

    @model_validator(mode="after")
    def _is_not_empty(self) -> "EditRequest":
        if not self.add and not self.remove:
            raise ValueError("must add or remove at least 1 item")
        return self


class SwapRequest(StrictModel):
    """All items of the new catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [ITEM_EXAMPLE]}]})

    items: PostedItems = Field(min_length=1, description="Unchanged items of the old catalogue keep their entries.")


class EditAnswer(StrictModel):
    """The result of an edit."""

    catalog_version: int = Field(description="First version of the catalogue with this edit.")
    added: int = Field(description="Number of items added.")
    removed: int = Field(description="Number of items removed; a changed item counts as removed and added.")
    items: int = Field(description="Number of items of the catalogue after the edit.")
    replicas: int = Field(description="Generator replicas that answer with this version or a later one.")
    pending: int = Field(description="Generator replicas that have not applied the edit yet; they will.")


class ListedItem(StrictModel):
    """An item of the catalogue."""

    id: str = Field(description="Item id.")
    title: str = Field(description="Title as given.")
    text: str = Field(description="The unique text that the model generates.")


class ItemsPage(StrictModel):
    """One page of the catalogue."""

    catalog_version: int = Field(description="Version of the catalogue on this page.")
    total: int = Field(description="Number of items of the whole catalogue.")
    items: list[ListedItem] = Field(description="Oldest first.")
    next_after: int | None = Field(
        description="`after` of the next page, valid also after edits; null on the last page."
    )


class EditNotWritten(StrictModel):
    """The catalogue is unchanged, because the edit could not be written to disk."""

    detail: str = Field(description="Why the write failed.")
