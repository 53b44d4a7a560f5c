"""The command line: ``roomkey token | call | status | inspect | store | demo``."""
