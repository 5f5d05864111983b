"""The ``[brightpearl]`` section of Airflow's configuration: options with defaults and what they are read as.

Nothing here touches Airflow's metadata database, so DAG files may read settings when they are parsed.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

SECTION = "brightpearl"
VERSION_ADDED = "0.1.0"
_ON = {"true", "t", "yes", "on", "1"}
_OFF = {"false", "f", "no", "off", "0", ""}
_SHORTEST_LEASE = 30
_ON_THIS_MACHINE = {"LocalExecutor", "SequentialExecutor", "DebugExecutor"}


def _option(
    description: str,
    default: str,
    type_: str = "string",
    example: str | None = None,
    *,
    sensitive: bool = False,
) -> dict[str, Any]:
    return {
        **({"sensitive": True} if sensitive else {}),
        "description": description,
        "version_added": VERSION_ADDED,
        "type": type_,
        "example": example,
        "default": default,
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "mappings": _option(
        "Folder of the flow files. Empty: include/mappings in or beside the DAG folder or bundle, or in AIRFLOW_HOME.",
        "",
        example="/opt/airflow/include/mappings",
    ),
    "staging_path": _option(
        "Where the tasks of a run pass on records: a folder that all workers share, or any fsspec URL. "
        "Empty: brightpearl/staging in AIRFLOW_HOME.",
        "",
        example="s3://company-airflow/brightpearl",
    ),
    "staging_url": _option(
        "Address under which a web server shows the staging folder to people; links of tasks lead there. Empty: "
        "links lead to the object in its cloud's console, or to the file.",
        "",
        example="https://files.example.com/brightpearl",
    ),
    "keep_staging_days": _option(
        "Days after which the staging files of a run are removed, by the DAG brightpearl_maintenance or "
        "`brightpearl state clean`; at least one.",
        "14",
        "integer",
    ),
    "payload_days": _option(
        "Days after which the record in a closed dead letter and the values of a closed conflict are removed, "
        "likewise.",
        "30",
        "integer",
    ),
    "event_days": _option(
        "Days after which what happened to a record is removed, likewise.", "90", "integer"
    ),
    "history_days": _option(
        "Days after which closed dead letters and conflicts, runs, reconciliations and settled intents are removed, "
        "likewise.",
        "365",
        "integer",
    ),
    "state_conn_id": _option(
        "Connection of the database that keeps watermarks, bindings and dead letters: PostgreSQL as soon as "
        "workers share no disk. Empty: SQLite in brightpearl/state.db in AIRFLOW_HOME.",
        "",
        example="brightpearl_state",
    ),
    "token_keys": _option(
        "Fernet keys, separated by commas, that OAuth tokens in the state database are encrypted with; the first one "
        "encrypts. Empty: those of Airflow ([core] fernet_key), which workers then need.",
        "",
        sensitive=True,
    ),
    "certificates_path": _option(
        "Where the certificates of compared periods are written: a folder that all workers share, or any fsspec URL. "
        "Empty: certificates below staging_path. Nothing removes them.",
        "",
        example="s3://company-books/brightpearl",
    ),
    "certificate_key": _option(
        "Ed25519 private key that signs certificates, as PEM (\\n for its line breaks) or as base64 of its 32 bytes. "
        "Empty: certificates are chained and not signed.",
        "",
        sensitive=True,
    ),
    "retries": _option("How often a task is retried when a system is not available.", "3", "integer"),
    "execution_hours": _option(
        "Hours after which a task that has not ended is stopped, and tried again as after an outage; more than the day "
        "that a system may ask to wait. 0: never.",
        "30",
        "integer",
    ),
    "lease_seconds": _option(
        "Seconds after which a run that does not show any more that it goes on is taken for dead, and the next run of "
        "its flow begins; at least 30.",
        "300",
        "integer",
    ),
    "gone_after_looks": _option(
        "How often a record that Brightpearl does not have is looked for before its dead letter is closed as gone.",
        "5",
        "integer",
    ),
    "gone_after_days": _option(
        "Days that have to pass as well before such a letter is closed.", "7", "integer"
    ),
    "gate_sql_rows": _option(
        "Up to so many rows of an object in a part, the gate evaluates in DuckDB; above, and for expectations that "
        "cannot be written in SQL, in Great Expectations, which takes seconds to load. 0: always there.",
        "2000",
        "integer",
    ),
    "mapping_seconds": _option(
        "Seconds that mapping a part may take; a tenth of it, but at least ten, a single record. A record that takes "
        "longer becomes a dead letter.",
        "300",
        "integer",
    ),
    "mapping_memory_mb": _option(
        "MiB of memory that mapping a part may take, in a process of its own. A record that takes more becomes a dead "
        "letter.",
        "2048",
        "integer",
    ),
    "write_back_limit": _option(
        "Messages (fields or a note of one record) that a run writes back to the source at most; what is left stays "
        "due for the next run. The default takes Brightpearl's quota of a minute.",
        "2000",
        "integer",
    ),
    "brightpearl_calls_per_minute": _option(
        "Calls that a Brightpearl account takes in any minute: all processes that use one state database share them. "
        "0: go by the headers of its answers alone, each process by itself.",
        "200",
        "integer",
    ),
    "brightpearl_reserve": _option(
        "Calls of each minute that are left to other apps of a Brightpearl account.", "2", "integer"
    ),
    "infor_calls_per_minute": _option(
        "Calls that an Infor tenant takes in any minute, shared likewise. 0: no limit but the gateway's own answers.",
        "3000",
        "integer",
    ),
    "infor_calls_per_day": _option("Calls that an Infor tenant takes in a day.", "250000", "integer"),
    "daily_reserve_percent": _option(
        "Percent of a day's calls of Salesforce and Infor that are left to others: tasks stop before they use them.",
        "5",
        "integer",
    ),
    "alert_email": _option(
        "Addresses, separated by commas, that alerts are mailed to: by the SMTP provider, if its connection "
        "exists, else by the email backend of Airflow ([email] and [smtp]). Empty: alerts are not mailed.",
        "",
        example="data-team@example.com",
    ),
    "alert_on_rejections": _option(
        "Whether a successful run that rejected records sends an alert.", "True", "boolean"
    ),
    "alert_on_parked": _option(
        "Whether a run that parks records, which wait for a record of another flow, sends one alert.",
        "True",
        "boolean",
    ),
    "outage_look_seconds": _option(
        "Seconds after which a system that is down is looked at again, at first; then a tenth of the outage's age.",
        "15",
        "integer",
    ),
    "outage_longest_look_seconds": _option(
        "Seconds that pass at most between two looks at a system that is down.", "300", "integer"
    ),
    "outage_hours": _option(
        "Hours for which a task waits and tries again where a part of a system fails, such as one service, while the "
        "system answers; then it fails. Every record that it writes starts them anew. 0: it is retried instead.",
        "24",
        "integer",
    ),
    "outage_alert_minutes": _option(
        "Minutes of an outage after which people are told once more; they are told of its beginning and end as well.",
        "60",
        "integer",
    ),
    "docs_url": _option(
        "Address of the site that `make docs` builds; alerts link to its pages. Empty: alerts name the page.",
        "",
        example="https://docs.example.com/brightpearl",
    ),
    "dags_backfill_command": _option(
        "Whether Airflow 3.2 and newer get `airflow dags backfill` back, for DAGs of this package.",
        "True",
        "boolean",
    ),
}


def text(option: str) -> str:
    """One option as text; the default of the provider where nothing is configured."""
    from airflow_provider_brightpearl.compat import conf

    return str(conf.get(SECTION, option, fallback=OPTIONS[option]["default"]) or "").strip()


def number(option: str) -> int:
    """One option as a whole number.

    Raises:
        Misconfigured: it is none.
    """
    from airflow_provider_brightpearl.errors import Misconfigured

    value = text(option)
    if not (value.isascii() and value.isdigit()):
        raise Misconfigured(f"[{SECTION}] {option} is {value!r}; write a whole number")
    return int(value)


def execution_timeout() -> timedelta | None:
    """How long a task may take, None for as long as it likes."""
    hours = number("execution_hours")
    return timedelta(hours=hours) if hours else None


def lease() -> timedelta:
    """How long a run that is silent counts as one that still writes.

    Raises:
        Misconfigured: it is too short for a task to follow another in it.
    """
    from airflow_provider_brightpearl.errors import Misconfigured

    seconds = number("lease_seconds")
    if seconds < _SHORTEST_LEASE:
        raise Misconfigured(f"[{SECTION}] lease_seconds is {seconds}; write {_SHORTEST_LEASE} or more")
    return timedelta(seconds=seconds)


def switch(option: str) -> bool:
    """One option as on or off.

    Raises:
        Misconfigured: it is neither.
    """
    from airflow_provider_brightpearl.errors import Misconfigured

    value = text(option).lower()
    if value not in _ON | _OFF:
        raise Misconfigured(f"[{SECTION}] {option} is {value!r}; write true or false")
    return value in _ON


def airflow_home() -> Path:
    """The folder of this Airflow."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def staging_path() -> str:
    """Folder or URL below which the staging files of all runs lie."""
    return text("staging_path") or str(airflow_home() / "brightpearl" / "staging")


def state_conn_id() -> str | None:
    """Connection of the state database, None for the SQLite file."""
    return text("state_conn_id") or None


def check_state_is_shared() -> None:
    """Raises ``Misconfigured`` where each worker would keep a state of its own, in a file on its own disk."""
    from airflow_provider_brightpearl.compat import conf
    from airflow_provider_brightpearl.errors import Misconfigured

    if state_conn_id():
        return
    configured = str(conf.get("core", "executor", fallback="") or "LocalExecutor")
    apart = [name for name in _executors(configured) if name not in _ON_THIS_MACHINE]
    if apart:
        raise Misconfigured(
            f"[{SECTION}] state_conn_id is not set, and workers of {apart[0]} may share no disk: each would keep "
            "watermarks and bindings of its own. Set it to a PostgreSQL connection"
        )


def _executors(configured: str) -> list[str]:
    """Class names in ``[core] executor``: several, with modules, aliases and teams."""
    entries = configured.replace(";", ",").split(",")
    return [entry.rpartition("=")[2].partition(":")[0].strip().rpartition(".")[2] for entry in entries]


def token_keys() -> list[str]:
    """Keys of this package's own for OAuth tokens."""
    return [key.strip() for key in text("token_keys").split(",") if key.strip()]


def state_file() -> Path:
    """The SQLite file of the state database where no connection names another."""
    return airflow_home() / "brightpearl" / "state.db"


def alert_addresses() -> list[str]:
    """Whom alerts are sent to."""
    return [address.strip() for address in text("alert_email").split(",") if address.strip()]


def mappings_folder(beside: Path | None = None) -> Path:
    """The folder of the flow files: as configured, else the first that exists of the usual places.

    Args:
        beside: a folder; ``include/mappings`` in it or above it comes first.
    """
    if configured := text("mappings"):
        return Path(configured).expanduser()
    places = [folder / "include" / "mappings" for folder in _roots(beside)]
    return next((place for place in places if place.is_dir()), places[-1])


def _roots(beside: Path | None) -> list[Path]:
    from airflow_provider_brightpearl.compat import conf

    dags = Path(conf.get("core", "dags_folder", fallback=airflow_home() / "dags")).expanduser()
    near = [beside, *beside.parents[:2]] if beside else []
    # Airflow 3 puts the root of a DAG bundle there before it reads the files in it
    bundles = [root for entry in sys.path if entry for root in (Path(entry), Path(entry).parent)]
    return [*near, dags.parent, dags, *bundles, airflow_home()]
