"""The commands of `lango`, one a module; the door `lango/__main__.py` puts them together."""
