"""Environment of Alembic: runs the migrations on the connection that the caller passes, in its transaction."""

from alembic import context

from roomkey.authorization_server.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
