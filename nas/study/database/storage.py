"""Optuna's own storage, on connections configured like ours."""

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from nas.errors import StorageError
from nas.study.damage import refuse_others, refuse_views
from nas.study.database import engines


def open_storage(url: str) -> RDBStorage:
    """Optuna's storage, its tables created, on connections configured like ours."""
    engine = engines.engine_for(url)
    # what ``configure_writer`` has in its place asks less often
    options = {**engines.engine_options(engine.url), "pool_pre_ping": False}
    plain = engine.url.render_as_string(hide_password=False)
    with engines.locked(engine):
        with engine.connect() as connection:
            refuse_views(connection)
            refuse_others(connection)
        # Optuna passes the URL through str.format
        plain = plain.replace("{", "{{").replace("}", "}}")
        try:
            storage = RDBStorage(plain, engine_kwargs=options)
        except RuntimeError as error:  # its check of its own tables says what to do
            raise StorageError(f"storage {engines.shown(url)}: {error}") from None
        except StorageInternalError as error:  # Optuna's guess at the reason, around the reason
            raise error.__cause__ or error from None
    engine.dispose()
    storage.engine.dispose()  # connections made before they are configured
    engines.configure_writer(storage.engine)
    return storage
