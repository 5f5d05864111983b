"""The flows of this package that the short profile tries; together they cross every kind of write."""

SALES = "orders_to_salesforce"
M3 = "orders_to_infor"
PLACED = "salesforce_orders_to_brightpearl"
LEDGER = "payments_to_infor_gl"
ALL = (SALES, M3, PLACED, LEDGER)
