"""From a selection to one SQL statement that gives finished JSON (docs/adr/0010)."""
