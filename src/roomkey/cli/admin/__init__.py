"""``roomkey admin``: what the backoffice does, on the service's own database, by whoever holds its files."""
