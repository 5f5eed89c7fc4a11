"""Values as people write them: texts, codes, time zones, and numbers in JSON."""
