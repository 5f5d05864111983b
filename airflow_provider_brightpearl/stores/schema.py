"""Brings the tables of the state database to this release's version, by Alembic's migrations.

The first task that finds older tables upgrades them; others wait for it at a lock. Alembic is imported only then.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.tables import metadata, version

HEAD = "0026"
MIGRATIONS = Path(__file__).with_name("migrations")
# any number that no other application uses as a lock in the same database
_UPGRADING = 5_872_093_114
# tables from before migrations: their version, and one that those releases refuse
_COUNTED_TABLE = sa.table("bp_schema", sa.column("version"))
_COUNTED = 3


def revision(connection: Connection) -> str:
    """The revision of the tables that exist, empty where there are none.

    Raises:
        Misconfigured: a newer release of this package created them.
    """
    if not sa.inspect(connection).has_table(version.name):
        return ""
    found = connection.execute(sa.select(sa.func.max(version.c.version_num))).scalar() or ""
    if found > HEAD:
        raise Misconfigured(
            f"the tables of the state database are at revision {found}, this release knows {HEAD}: "
            "upgrade airflow-provider-brightpearl on this worker, or name another database",
            system="state database",
        )
    return str(found)


def upgrade(connection: Connection) -> None:
    """Creates the tables, or migrates those of an older release, in the transaction of the connection.

    Raises:
        Misconfigured: the tables are newer than this release, or older than any that can be upgraded.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADING)))
    current = revision(connection)
    if current == HEAD:
        return

    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    if not current and sa.inspect(connection).has_table(_COUNTED_TABLE.name):
        _adopt(connection)
        command.stamp(config, "0001")
    elif not current:
        metadata.create_all(connection)
        command.stamp(config, "head")
        return
    command.upgrade(config, "head")


def _adopt(connection: Connection) -> None:
    counted = connection.execute(sa.select(sa.func.max(_COUNTED_TABLE.c.version))).scalar()
    if counted != _COUNTED:
        raise Misconfigured(
            f"the tables of the state database are of version {counted}, older than 0.1.0: name another database",
            system="state database",
        )
    connection.execute(_COUNTED_TABLE.insert().values(version=_COUNTED + 1))
