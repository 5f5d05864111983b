"""Which line of an M3 order each of its rows became, where the answer that said so was lost."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.systems.infor.client import InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.documents import Document
from airflow_provider_brightpearl.systems.infor.rows import Row, same

_COLUMNS = ("PONR", "POSX", "CUPO", "ITNO", "ORQT")


def number_lines(client: InforClient, program: str, add: str, orders: Sequence[Document]) -> None:
    """Reads the line numbers of orders that an earlier try wrote; shipments find their lines by them.

    An order with a row that none of its lines fits is refused.

    Args:
        client: calls.
        program: of orders.
        add: its transaction that adds a line.
        orders: with the numbers that M3 gave them.
    """
    unnumbered = [(order, lines) for order in orders if (lines := _unnumbered(order, add))]
    asked = [Transaction("LstLine", {"ORNO": order.number}) for order, _ in unnumbered]
    answers = client.bulk(program, asked, columns=_COLUMNS)
    for (order, lines), answer in zip(unnumbered, answers, strict=True):
        if not answer.done and not answer.missing:
            raise answer.error(f"{program} LstLine")
        _number(order, lines, answer.records)


def _unnumbered(order: Document, add: str) -> list[Row]:
    return [row for row, name in order.parts if name == add and row.key not in order.part_numbers]


def _number(order: Document, rows: Sequence[Row], there: Sequence[Record]) -> None:
    # in the order in which they were added, so that rows that are alike take theirs
    left = sorted(there, key=lambda line: [decimal_of(line.get(name, "")) or 0 for name in ("PONR", "POSX")])
    for row in rows:
        line = next((each for each in left if _fits(row, each)), None)
        if line is None:
            told = (
                f"M3 order {order.number} has no line for this row; correct it there, then sync it by its id"
            )
            order.refuse(row.refused(told))
            return
        left.remove(line)
        order.part_numbers[row.key] = line["PONR"]


def _fits(row: Row, line: Record) -> bool:
    # a reference of ours stays, while item and quantity may have been changed since
    names = ("CUPO",) if "CUPO" in row.fields else ("ITNO", "ORQT")
    return all(same(row.fields.get(name, ""), line.get(name, "")) for name in names)
