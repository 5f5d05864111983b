"""``brightpearl verify``: check certificates of compared periods, without any system."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_provider_brightpearl.cli.output import Json, print_json, say
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.certificate_check import Checked


def verify(
    files: Annotated[
        list[Path], typer.Argument(help="Certificates, or folders: all in them.", metavar="FILE...")
    ],
    public_key: Annotated[
        list[Path] | None,
        typer.Option(help="File of an Ed25519 public key; each certificate has to be signed by one of them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check certificates that `reconcile --certificate` wrote: digests, sums, signatures, and their chain.

    Reads nothing but the files. Ends with code 1 if something does not hold.
    """
    from airflow_provider_brightpearl.core.certificate_check import Broken, check_certificate, check_chain
    from airflow_provider_brightpearl.stores.signing import public_key_of, verifies

    trusted = [public_key_of(_text(path), str(path)) for path in public_key or ()]
    problems: dict[str, list[str]] = {}
    checked: list[Checked] = []
    for path in _files(files):
        problems[str(path)] = []
        try:
            with path.open("rb") as lines:
                checked.append(check_certificate(str(path), lines, verifies, trusted))
        except Broken as error:
            problems[str(path)].append(str(error))
        except OSError as error:
            raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    for name, problem in check_chain(checked):
        problems[name].append(problem)
    results = [_result(name, found, checked) for name, found in problems.items()]
    if as_json:
        print_json(results)
    else:
        for each in results:
            say(_line(each))
    sys.exit(1 if any(problems.values()) else 0)


def _files(given: list[Path]) -> list[Path]:
    found = [file for path in given for file in (sorted(path.rglob("*.jsonl")) if path.is_dir() else [path])]
    if not found:
        raise Misconfigured(f"there is no certificate in {', '.join(map(str, given))}")
    return list(dict.fromkeys(found))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read as the file of a public key: {error}") from error


def _result(name: str, problems: list[str], checked: list[Checked]) -> dict[str, Any]:
    said = next((each.statement for each in checked if each.name == name), None)
    result: dict[str, Any] = {"file": name, "holds": not problems, "problems": problems}
    if said is None:
        return result
    return result | {
        "flow": said.flow, "pair": said.pair, "number": said.number, "state": said.state, "reasons": said.reasons,
        "period_start": said.period_start, "period_end": said.period_end, "signed_by": said.signed_by,
        "source": said.source, "target": said.target, "discarded": said.discarded,
    }  # fmt: skip


def _line(result: dict[str, Any]) -> str:
    if result["problems"]:
        return f"{result['file']}: does not hold: {'; '.join(result['problems'])}"
    start = result["period_start"]
    period = f"{start.isoformat()} to" if start else "all up to"
    reasons = f" ({'; '.join(result['reasons'])})" if result["reasons"] else ""
    count = result["discarded"].count
    discarded = f", {count:,} discarded" if count else ""
    signed = f"signed by {result['signed_by']}" if result["signed_by"] else "not signed"
    return (
        f"{result['file']}: holds: {result['flow']} {result['number']}, {period} {result['period_end'].isoformat()}: "
        f"{result['state']}{reasons}{discarded}, {signed}"
    )
