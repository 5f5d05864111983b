"""The data of the seeded company; codes come from the samples of the reference where it has any."""

from __future__ import annotations

from ..countries import COUNTRIES

# division, name, local currency
DIVISIONS = (("AAA", "Acme UK", "GBP"), ("BBB", "Acme Europe", "EUR"))

# warehouse, name, facility, division, locations
WAREHOUSES: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("100", "Main warehouse", "A01", "AAA", ("A0101", "A0102", "RETURNS")),
    ("110", "Outlet", "A01", "AAA", ("A0101",)),
    ("120", "Third-party logistics", "A01", "AAA", ("A0101",)),
    ("200", "Rotterdam", "B01", "BBB", ("A0101",)),
)

# currency: name, decimals, value in GBP
CURRENCIES: dict[str, tuple[str, int, str]] = {
    "GBP": ("Pound sterling", 2, "1"),
    "EUR": ("Euro", 2, "0.8421"),
    "USD": ("US dollar", 2, "0.7412"),
    "JPY": ("Japanese yen", 0, "0.005013"),
    "KRW": ("South Korean won", 0, "0.000538"),
    "KWD": ("Kuwaiti dinar", 3, "2.4150"),
    "BHD": ("Bahraini dinar", 3, "1.9660"),
    "CAD": ("Canadian dollar", 2, "0.5433"),
    "AUD": ("Australian dollar", 2, "0.4871"),
    "NZD": ("New Zealand dollar", 2, "0.4466"),
    "CHF": ("Swiss franc", 2, "0.9182"),
    "SEK": ("Swedish krona", 2, "0.0761"),
    "NOK": ("Norwegian krone", 2, "0.0732"),
    "DKK": ("Danish krone", 2, "0.1128"),
    "PLN": ("Polish zloty", 2, "0.1979"),
    "CZK": ("Czech koruna", 2, "0.0342"),
    "HKD": ("Hong Kong dollar", 2, "0.0948"),
    "SGD": ("Singapore dollar", 2, "0.5737"),
    "ZAR": ("South African rand", 2, "0.0418"),
    "CNY": ("Chinese yuan", 2, "0.1034"),
    "INR": ("Indian rupee", 2, "0.0086"),
    "AED": ("UAE dirham", 2, "0.2018"),
}

# code table: its values; a blank value is sent by leaving the field out
CODES = {
    "CSCD": " ".join(sorted([*COUNTRIES, "XK"])),
    "LNCD": "GB DE FR ES IT NL SE",
    "ADRT": "1 2 3 4 5",
    "ALWT": "1 2 3 4",
    "MODL": "STD EXP COL DRP",
    "TEDL": "DDP DAP EXW",
    "TEPY": "P30 P00 P14 P60 CRD",
    "PYCD": "BAC CRD CHQ PPL",
    "CUCL": "WEB TRD EXP",
    "TAXC": "STD RED ZER",
    "UNMS": "PCS BOX KG M",
    "ITTY": "100 200 300",
    "ITGR": "GENERAL APPAREL BEDROOM LIGHTING",
    "RESP": "BPSVC BUYER",
    "PRVG": "A B C",
    "RSCD": "BP1 BP2 DAM CHG",
    "ECAR": "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY"
    " NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC ON QC BC AB",
}

# code, name, percentage
VAT_CODES = (
    (0, "Outside the scope", "0"),
    (1, "Standard rate", "20"),
    (2, "Reduced rate", "5"),
    (3, "Zero rate", "0"),
    (9, "Exempt", "0"),
)

# type, name, 1 if quantities may be negative
ORDER_TYPES = (
    ("W01", "Web order", 0),
    ("T01", "Trade order", 0),
    ("D01", "Drop shipment", 0),
    ("C01", "Credit", 1),
)

# charge, name, tax code
CHARGES = (
    ("FRGHT", "Freight", 1),
    ("FRGHT0", "Freight, zero rate", 3),
    ("GIFT", "Gift wrapping", 1),
    ("HANDL", "Handling", 1),
    ("DISC", "Order discount", 1),
)

# partner, message type
PARTNERS = tuple(("BRIGHTPEARL", kind) for kind in ("BPINV", "BPSHP", "BPRET"))

# account, name, 1 if locked
ACCOUNTS = (
    ("1000", "Stock", 0),
    ("1100", "Accounts receivable", 0),
    ("1200", "Bank, current account", 0),
    ("1210", "Bank, euro account", 0),
    ("1220", "Bank, dollar account", 0),
    ("1230", "Petty cash", 0),
    ("1240", "Card clearing", 0),
    ("1250", "PayPal clearing", 0),
    ("1260", "Gift cards", 0),
    ("1510", "Customers, ledger control", 0),
    ("1590", "Customers, payments on account", 0),
    ("1930", "Bank", 0),
    ("1940", "Card payments in transit", 0),
    ("2200", "Sales tax", 0),
    ("2420", "Customer deposits", 0),
    ("4000", "Sales", 0),
    ("4010", "Discounts given", 0),
    ("6570", "Payment fees", 0),
    ("7906", "Exchange gains and losses", 0),
    ("8888", "Suspense", 0),
    ("9999", "Closed account", 1),
)

# dimension type, value, name
DIMENSIONS = (
    (2, "100", "Web"),
    (2, "200", "Trade"),
    (3, "UK", "United Kingdom"),
    (3, "EU", "European Union"),
)

# USAGE 1: lines are position strings, 2: lines are fields (reference 2.6.8); LAYOUT is name: [start, length]
INTERFACES: dict[str, dict[str, object]] = {
    "BPGL": {"USAGE": 2, "INRI": ["I1", "I2"]},
    "BPGLPOS": {
        "USAGE": 1,
        "INRI": ["I1"],
        "LAYOUT": {
            "INRI": [0, 2],
            "GRNR": [2, 10],
            "ACDT": [12, 8],
            "AIT1": [20, 10],
            "AIT2": [30, 10],
            "CUCD": [40, 3],
            "CUAM": [43, 17],
            "DBCR": [60, 1],
            "VTXT": [61, 40],
        },
    },
}
