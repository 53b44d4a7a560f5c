"""``roomkey demo --report FILE``: what was played as one HTML file with nothing beside it."""
