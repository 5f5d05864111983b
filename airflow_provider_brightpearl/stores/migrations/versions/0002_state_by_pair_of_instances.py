"""State is kept by the pair of instances (account, org, company) that a flow connects.

Earlier rows have no pair; ``stores.instances`` assigns them to the first pair that runs their flow.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from airflow_provider_brightpearl.stores.tables import Instant

revision = "0002"
down_revision = "0001"

_KEYED = {
    "bp_binding": ("flow", "object", "key"),
    "bp_dead_letter": ("flow", "source_id"),
    "bp_watermark": ("flow",),
    "bp_intent": ("flow", "object", "key"),
}
_INDEXES = {
    "bp_binding": ("bp_binding_record", ["pair", "flow", "source_id"]),
    "bp_dead_letter": ("bp_dead_letter_due", ["pair", "flow", "state", "first_seen"]),
    "bp_intent": ("bp_intent_state", ["state", "changed_at"]),
}


def upgrade() -> None:  # noqa: D103 - what Alembic calls
    op.create_table(
        "bp_instance",
        sa.Column("address", sa.Text, primary_key=True, nullable=False),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
    )
    for table in ("bp_run", "bp_reconciliation"):
        op.add_column(table, sa.Column("pair", sa.Text, nullable=False, server_default=""))
    for table, key in _KEYED.items():
        if table in _INDEXES:
            op.drop_index(_INDEXES[table][0], table)
        _add_to_key(table, key)
        if table in _INDEXES:
            name, columns = _INDEXES[table]
            op.create_index(name, table, columns)


def _add_to_key(table: str, key: tuple[str, ...]) -> None:
    connection = op.get_bind()
    pair = sa.Column("pair", sa.Text, nullable=False, server_default="", primary_key=True)
    if connection.dialect.name == "postgresql":
        name = sa.inspect(connection).get_pk_constraint(table)["name"]
        op.add_column(table, pair)
        op.drop_constraint(str(name), table, type_="primary")
        op.create_primary_key(f"{table}_pkey", table, ["pair", *key])
        return
    # SQLite changes a key only by copying the table
    old = sa.Table(table, sa.MetaData(), autoload_with=connection)
    op.rename_table(table, f"{table}_0001")
    columns = [
        sa.Column(
            each.name,
            each.type,
            nullable=each.nullable,
            primary_key=each.primary_key,
            server_default=each.server_default,
        )
        for each in old.columns
    ]
    new = op.create_table(table, pair, *columns)
    names = [each.name for each in old.columns]
    kept = sa.table(f"{table}_0001", *(sa.column(name) for name in names))
    op.execute(new.insert().from_select(names, sa.select(*kept.columns)))
    op.drop_table(f"{table}_0001")
