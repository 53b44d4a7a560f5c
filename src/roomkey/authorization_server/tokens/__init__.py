"""What the service issues: how tokens are made, kept, looked at and ended."""
