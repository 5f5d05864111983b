"""Every program with the transactions that this simulation carries out."""

from __future__ import annotations

from ..session import Transactions
from . import (
    batch_lines,
    batch_orders,
    confirm,
    currencies,
    custom_fields,
    customers,
    deliveries,
    export,
    general,
    invoices,
    item_places,
    items,
    ledger,
    messages,
    metadata,
    orders,
    picking,
    returns,
    stock,
    stock_messages,
    vouchers,
)

_PROGRAMS: dict[str, Transactions] = {
    "ARS200MI": invoices.ARS200MI,
    "CMS100MI": export.CMS100MI,
    "CRS055MI": currencies.CRS055MI,
    "CRS165MI": general.CRS165MI,
    "CRS175MI": currencies.CRS175MI,
    "CRS610MI": customers.CRS610MI,
    "CRS630MI": vouchers.CRS630MI,
    "CUSEXTMI": custom_fields.CUSEXTMI,
    "EXPORTMI": export.EXPORTMI,
    "GENERAL": {},
    "GLS200MI": vouchers.GLS200MI,
    "GLS840MI": ledger.GLS840MI,
    "MHS850MI": {**picking.MHS850MI, **messages.MHS850MI, **returns.MHS850MI},
    "MMS005MI": stock.MMS005MI,
    "MMS025MI": items.MMS025MI,
    "MMS060MI": stock.MMS060MI,
    "MMS200MI": {**items.MMS200MI, **item_places.MMS200MI},
    "MMS310MI": stock.MMS310MI,
    "MMS850MI": {**stock_messages.MMS850MI, **messages.MMS850MI},
    "MNS150MI": general.MNS150MI,
    "MRS001MI": metadata.MRS001MI,
    "MWS410MI": deliveries.MWS410MI,
    "MWS411MI": deliveries.MWS411MI,
    "MWS422MI": picking.MWS422MI,
    "MWS423MI": deliveries.MWS423MI,
    "OIS100MI": {
        **batch_orders.OIS100MI,
        **batch_lines.OIS100MI,
        **confirm.OIS100MI,
        **orders.OIS100MI,
        **stock.OIS100MI,
    },
    "OIS275MI": confirm.OIS275MI,
    "OIS350MI": invoices.OIS350MI,
    "OIS390MI": returns.OIS390MI,
}

TABLE: dict[str, Transactions] = {name: {**general.GENERAL, **own} for name, own in _PROGRAMS.items()}
metadata.KNOWN.update({name: tuple(transactions) for name, transactions in TABLE.items()})
