"""What validators poll so that they need not ask about each token: the deny list and the status list."""
