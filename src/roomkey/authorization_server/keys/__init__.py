"""The signing keys of the service: made, published, used, retired, removed."""
