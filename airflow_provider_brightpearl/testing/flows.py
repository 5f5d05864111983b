"""The streams and targets that the short profile tries; together they cross every kind of write."""

Shape = tuple[str, str]

SALES: Shape = ("brightpearl.sales_orders", "salesforce")
M3: Shape = ("brightpearl.sales_orders", "infor")
PLACED: Shape = ("salesforce.orders", "brightpearl")
LEDGER: Shape = ("brightpearl.payments", "infor")
ALL = (SALES, M3, PLACED, LEDGER)
