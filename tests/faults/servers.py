"""A real PostgreSQL server that goes away when a test says so."""

import threading
from contextlib import contextmanager

from conftest import new_postgres_database
from sqlalchemy import create_engine, text

CANARY = "pa55-canary"  # the password in the URL, which nothing else may show


class Server:
    """A database of this test alone, on a server that can be stopped and takes any password."""

    def __init__(self, postgres):
        self.postgres = postgres
        uri = postgres.get_uri().replace("postgres:@", f"postgres:{CANARY}@")
        self.url = new_postgres_database(uri.replace("postgresql://", "postgresql+psycopg://"))
        self._engine = create_engine(self.url, isolation_level="AUTOCOMMIT")

    def close(self):
        self._engine.dispose()

    def stop(self):
        self.close()
        self.postgres.stop()

    def start(self):
        self.postgres.start()

    def drop_connections(self):
        """End all connections but the one that says so; how many there were."""
        with self._engine.connect() as connection:
            query = text(
                "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return connection.scalar(query)

    @contextmanager
    def dropping(self, seconds, growth=1.0):
        """Every so many seconds, whatever the others are just doing; yields the counts.

        Each pause is ``growth`` times the one before: where it is above 1, even a machine on which
        one transaction takes longer than the first pause gets its work done.
        """
        done, counts = threading.Event(), []

        def drop():
            pause = seconds
            while not done.wait(pause):
                counts.append(self.drop_connections())
                pause *= growth

        thread = threading.Thread(target=drop)
        thread.start()
        try:
            yield counts
        finally:
            done.set()
            thread.join()
