"""Items that nobody has bought yet: held out, added to a real endpoint over HTTP, and what becomes of them."""
