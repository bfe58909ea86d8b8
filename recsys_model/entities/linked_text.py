"""Free text as tokens in which the items that it names are entities."""

from recsys_model.entities.catalog import Catalog
from recsys_model.entities.linking import EntityLinker
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import Tokenizer


def linker_of(catalog: Catalog) -> EntityLinker:
    """Return a linker of the titles of a catalogue; an item without a title has no name."""
    return EntityLinker((item.title, index) for index, item in enumerate(catalog.items) if item.title)


def tokenize_linked(text: str, linker: EntityLinker, catalog: Catalog, tokenizer: Tokenizer) -> TokenizedText:
    """Return a text as tokens; each item that it names by a title of its own is an entity with the tokens of the catalogue.

    A title that several items share stays plain text, because the text does not say which one it means.
    """
    tokens, place = TokenizedText(), 0
    for entity in linker.link(text):
        if len(entity.items) > 1:
            continue
        # the tokens of an entity begin with the blank in front of it
        _add_plain(tokens, text[place : entity.start].rstrip(), tokenizer)
        [item] = entity.items
        tokens.add_entity(catalog.items[item].token_ids, item)
        place = entity.end
    _add_plain(tokens, text[place:], tokenizer)
    return tokens


def _add_plain(tokens: TokenizedText, text: str, tokenizer: Tokenizer) -> None:
    if text:
        tokens.add_text(tokenizer.encode_text(text))
