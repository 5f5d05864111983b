"""All simulated programs with their transactions."""

from __future__ import annotations

from ..session import Transactions
from . import (
    batch_lines,
    batch_orders,
    custom_fields,
    customers,
    deliveries,
    general,
    interface_messages,
    invoices,
    item_warehouses,
    items,
    journals,
    metadata,
    order_confirmation,
    orders,
    picking,
    rates,
    returns,
    stock,
    stock_messages,
    table_export,
    vouchers,
)

_PROGRAMS: dict[str, Transactions] = {
    "ARS200MI": invoices.ARS200MI,
    "CMS100MI": table_export.CMS100MI,
    "CRS055MI": rates.CRS055MI,
    "CRS165MI": general.CRS165MI,
    "CRS175MI": rates.CRS175MI,
    "CRS610MI": customers.CRS610MI,
    "CRS630MI": vouchers.CRS630MI,
    "CUSEXTMI": custom_fields.CUSEXTMI,
    "EXPORTMI": table_export.EXPORTMI,
    "GENERAL": {},
    "GLS200MI": vouchers.GLS200MI,
    "GLS840MI": journals.GLS840MI,
    "MHS850MI": {**picking.MHS850MI, **interface_messages.MHS850MI, **returns.MHS850MI},
    "MMS005MI": stock.MMS005MI,
    "MMS025MI": items.MMS025MI,
    "MMS060MI": stock.MMS060MI,
    "MMS200MI": {**items.MMS200MI, **item_warehouses.MMS200MI},
    "MMS310MI": stock.MMS310MI,
    "MMS850MI": {**stock_messages.MMS850MI, **interface_messages.MMS850MI},
    "MNS150MI": general.MNS150MI,
    "MRS001MI": metadata.MRS001MI,
    "MWS410MI": deliveries.MWS410MI,
    "MWS411MI": deliveries.MWS411MI,
    "MWS422MI": picking.MWS422MI,
    "MWS423MI": deliveries.MWS423MI,
    "OIS100MI": {
        **batch_orders.OIS100MI,
        **batch_lines.OIS100MI,
        **order_confirmation.OIS100MI,
        **orders.OIS100MI,
        **stock.OIS100MI,
    },
    "OIS275MI": order_confirmation.OIS275MI,
    "OIS350MI": invoices.OIS350MI,
    "OIS390MI": returns.OIS390MI,
}

TABLE: dict[str, Transactions] = {name: {**general.GENERAL, **own} for name, own in _PROGRAMS.items()}
metadata.KNOWN.update({name: tuple(transactions) for name, transactions in TABLE.items()})
