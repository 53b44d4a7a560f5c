"""The pages of the backoffice, one file per subject."""
