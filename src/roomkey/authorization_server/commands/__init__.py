"""The command framework: an act of administration is declared once, and every way in is made from the declaration."""
