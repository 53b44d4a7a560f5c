"""Token-based authentication for the REST APIs that Python code calls and serves."""

__version__ = "0.1.0"
