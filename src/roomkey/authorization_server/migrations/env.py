"""What Alembic runs: the steps, on the connection that it was handed, inside that connection's transaction."""

from alembic import context

from roomkey.authorization_server.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
