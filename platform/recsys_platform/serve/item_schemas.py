"""What the endpoint accepts and answers about its catalogue; OpenAPI is generated from these classes."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from recsys_model.entities.edit_requests import NewItem
from recsys_platform.serve.schemas import MAX_CATEGORIES, MAX_LISTED, Text
from recsys_platform.values.ids import canonical_id
from recsys_platform.values.labels import canonical_label, canonical_word, unescape

# as the data stage writes them: an item is the same in a table and in a request
ItemId = Annotated[Text, AfterValidator(canonical_id)]
Title = Annotated[Text, AfterValidator(unescape)]
Brand = Annotated[Text, AfterValidator(canonical_label)]
Category = Annotated[Text, AfterValidator(canonical_word)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ItemFields(_Strict):
    """An item of the catalogue."""

    id: ItemId = Field(description="Your own name of the item.", examples=["B0009RF9DW"])
    title: Title = Field(
        description="What the model generates and reads in histories. Items may share a title: "
        "a newcomer's is then extended by brand, category or id.",
        examples=["Camping Stove, 2 burners"],
    )
    brand: Brand | None = Field(None, description="Tells items of one title apart.")
    categories: list[Category] = Field(
        [], max_length=MAX_CATEGORIES, description="Coarse to fine; the last tells apart."
    )

    def to_new_item(self) -> NewItem:
        """Return the item as the model side takes it."""
        return NewItem(
            item_id=self.id, title=self.title, brand=self.brand, categories=tuple(filter(None, self.categories))
        )


Items = Annotated[list[ItemFields], Field(max_length=MAX_LISTED)]


class EditRequest(_Strict):
    """Items that go and items that come, as one step: no request sees only a part of it."""

    add: Items = Field([], description="Items that come; an id that is there already must be removed in the same edit.")
    remove: list[ItemId] = Field(
        [], max_length=MAX_LISTED, description="Ids of items that go. Histories may go on to name them."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> "EditRequest":
        if not self.add and not self.remove:
            raise ValueError("must add or remove at least 1 item")
        return self


class SwapRequest(_Strict):
    """All items that the catalogue is to have from now on."""

    items: Items = Field(min_length=1, description="Items that are there already, unchanged, are not touched.")


class EditAnswer(_Strict):
    """What became of an edit."""

    catalog_version: int = Field(description="Version of the catalogue with this edit in it.")
    added: int = Field(description="Items that came.")
    removed: int = Field(description="Items that went; a changed item counts as both.")
    items: int = Field(description="Items of the catalogue now.")
    replicas: int = Field(description="Generator replicas that answer with this version or a later one.")
    pending: int = Field(description="Replicas that do not yet; they follow as soon as they can.")


class ListedItem(_Strict):
    """An item as the catalogue has it."""

    id: str = Field(description="Item id.")
    title: str = Field(description="Title as given.")
    text: str = Field(description="The unique text that the model generates.")


class ItemsPage(_Strict):
    """A part of the catalogue."""

    catalog_version: int = Field(description="Version that was read.")
    total: int = Field(description="Items of the whole catalogue.")
    items: list[ListedItem] = Field(description="Oldest first.")
    next_after: int | None = Field(
        description="Give this as `after` to go on, also if the catalogue is edited meanwhile; null on the last page."
    )


class NotKept(_Strict):
    """An edit that was not made."""

    detail: str = Field(description="Why it could not be written to disk.")
