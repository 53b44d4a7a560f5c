"""The command line: ``roomkey init | token | call | status | inspect | store | serve | admin``."""
