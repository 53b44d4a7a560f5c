"""App tokens: long-lived tokens that an application is configured with."""
