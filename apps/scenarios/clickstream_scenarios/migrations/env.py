"""Alembic runs this file; `migrating` has given it the connection."""

from alembic import context

from clickstream_scenarios.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
