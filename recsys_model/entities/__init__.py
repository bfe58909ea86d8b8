"""The entity pool: items and attribute values, their texts and tokens, and the tries over them."""
