"""The signing keys of the service: creation, publication, rotation, removal; re-encryption of columns."""
