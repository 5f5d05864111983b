"""Takes a state database into use that is an older copy of what runs have worked with."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import writing


def accept_restored(engine: Engine, now: datetime | None = None) -> list[str]:
    """Lets every flow begin anew, with the bindings that are known; returns their names.

    Without a watermark, its next run reads everything, and looks in the target for what it may have created since the
    copy was taken. The database gets another name: runs that began on the one that was replaced stop.

    Args:
        engine: the state database.
        now: the present, aware; the clock's if left out.
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        flows = connection.execute(sa.select(tables.watermark.c.flow).distinct()).scalars().all()
        connection.execute(tables.watermark.delete())
        connection.execute(tables.beginning.delete())
        connection.execute(tables.beginning.insert().values(pair="", flow="", at=now))
        # whoever holds one stops, since its run began on the other database
        free = {"token": tables.lease.c.token + 1, "expires_at": datetime.fromtimestamp(0, UTC)}
        connection.execute(tables.lease.update().values(free))
        connection.execute(tables.identity.update().values(identity=uuid4().hex))
    return sorted(flows)
