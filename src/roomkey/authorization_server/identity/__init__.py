"""People: their names, how they prove who they are, their sessions, and the end of all that they hold."""
