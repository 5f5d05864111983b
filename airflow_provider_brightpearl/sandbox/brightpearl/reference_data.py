"""The configuration of the account: the lists that orders, contacts and products refer to."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
Fields = tuple[tuple[int, str, str, str, dict[int, str]], ...]  # id, code, name, type, options

INSTANCE = 13  # installed integration instance of the private app
STAFF = 4
BASE_CURRENCY = "GBP"

# id, code, name, symbol, millionths of the currency for one unit of the base currency
CURRENCIES = (
    (1, "GBP", "Pound Sterling", "£", 1_000_000),
    (2, "EUR", "Euro", "€", 1_170_000),
    (3, "USD", "US Dollar", "$", 1_270_000),
    (4, "JPY", "Yen", "¥", 190_500_000),
    (5, "KWD", "Kuwaiti Dinar", "KD", 390_000),
    (6, "CAD", "Canadian Dollar", "C$", 1_720_000),
    (7, "AUD", "Australian Dollar", "A$", 1_930_000),
)
CURRENCY_IDS = {code: id for id, code, *_ in CURRENCIES}
RATES = {code: rate for _, code, _, _, rate in CURRENCIES}

# id, name, code, currency, type, gross
PRICE_LISTS = (
    (1, "Cost", "COST", "GBP", "BUY", False),
    (2, "Retail", "RETAIL", "GBP", "SELL", True),
    (3, "Trade", "TRADE", "GBP", "SELL", False),
    (4, "Retail Europe", "RETAIL-EUR", "EUR", "SELL", True),
    (5, "Retail USA", "RETAIL-USD", "USD", "SELL", False),
    (6, "Retail Japan", "RETAIL-JPY", "JPY", "SELL", False),
    (7, "Retail Kuwait", "RETAIL-KWD", "KWD", "SELL", False),
    (8, "Retail Canada", "RETAIL-CAD", "CAD", "SELL", False),
    (9, "Retail Australia", "RETAIL-AUD", "AUD", "SELL", False),
    (10, "Cost Europe", "COST-EUR", "EUR", "BUY", False),
)
LIST_OF_CURRENCY = {"GBP": 2, "EUR": 4, "USD": 5, "JPY": 6, "KWD": 7, "CAD": 8, "AUD": 9}
TRADE = 3

# id, code, description, rate in hundredths of a percent
TAX_CODES = (
    (1, "Z", "Zero", 0),
    (2, "T20", "Standard", 2000),
    (3, "T5", "Reduced", 500),
    (4, "E", "Export, outside the scope", 0),
    (5, "DE19", "Germany standard", 1900),
    (6, "FR20", "France standard", 2000),
    (7, "IT22", "Italy standard", 2200),
    (8, "ES21", "Spain standard", 2100),
    (9, "IE23", "Ireland standard", 2300),
    (10, "NL21", "Netherlands standard", 2100),
)

# id, name, order type, state, colour
STATUSES = (
    (1, "Draft / Quote", "SO", "draft", "#E7E6E4"),
    (2, "New web order", "SO", "", "#B3D9FF"),
    (3, "New phone order", "SO", "", "#B3FFD9"),
    (4, "Invoiced", "SO", "invoiced", "#66CC66"),
    (5, "Cancelled", "SO", "cancelled", "#FF6666"),
    (6, "Pending PO", "PO", "", "#E7E6E4"),
    (7, "Placed with supplier", "PO", "", "#FFE699"),
    (8, "Invoice received", "PO", "invoiced", "#66CC66"),
    (17, "Ready to ship", "SO", "", "#FFE699"),
    (18, "Back order", "SO", "", "#FFC266"),
    (19, "On hold - payment", "SO", "", "#FF9999"),
    (23, "New credit", "SC", "", "#E0CCFF"),
    (24, "Credit issued", "SC", "invoiced", "#C299FF"),
)
STATUS_NAMES = {id: name for id, name, *_ in STATUSES}

WAREHOUSES = (
    (2, "Bristol DC", 31),
    (3, "Rotterdam 3PL", 32),
    (4, "Portland, OR", 33),
    (5, "Returns & Seconds", 34),
)
CHANNELS = (
    (1, "Brightpearl", 4, 2),
    (2, "Web store UK", 1, 2),
    (3, "Web store EU", 1, 3),
    (4, "Amazon US", 2, 4),
    (5, "Trade desk", 3, 2),
)
SHIPPING_METHODS = (
    (1, "Collection", "COLL"),
    (2, "Courier 24h", "C24"),
    (3, "Royal Mail 48", "RM48"),
    (4, "DHL International", "DHLI"),
)
TAGS = ((7, "VIP"), (9, "Newsletter"), (11, "Trade"))
GROUPS = ((1, "Retail customers", "Bought in a web store"), (2, "Trade customers", "On account"))
LEAD_SOURCES = ((1, "Web search"), (2, "Trade fair"))
BRANDS = (
    (74, "Northwind"), (75, "Hāwea"), (76, "Fjällnäs"), (77, "Own label"), (78, "Śnieżka"),
)  # fmt: skip
PRODUCT_TYPES = ((1, "Apparel"), (2, "Homeware"), (3, "Food & drink"))
CATEGORIES = ((296, "Tops"), (297, "Kitchen"), (298, "Coffee"), (299, "Gifts"))
ORDER_TYPES = (
    (1, "SALES_ORDER", "SO"),
    (2, "PURCHASE_ORDER", "PO"),
    (3, "SALES_CREDIT", "SC"),
    (4, "PURCHASE_CREDIT", "PC"),
)
TYPE_IDS = {code: id for id, _, code in ORDER_TYPES}
TYPE_NAMES = {str(id): name for id, name, _ in ORDER_TYPES}
PAYMENT_IDS = {"UNPAID": 1, "PARTIALLY_PAID": 2, "PAID": 3, "NOT_APPLICABLE": 5}
SHIPPING_IDS = {"NST": 1, "SNS": 2, "SPS": 3, "ASS": 4}
SHIPPING_NAMES = {
    "1": "No stock tracked products on order",
    "2": "Stock not shipped",
    "3": "Stock part shipped",
    "4": "All stock shipped",
}
STOCK_CODES = ("SON", "SOP", "SOA", "PON", "POP", "POA", "SCN", "SCP", "SCA", "PCN", "PCP", "PCA", "NON")
STOCK_IDS = {code: id for id, code in enumerate(STOCK_CODES, 1)}
STOCK_NAMES = {
    str(id): "Unset"
    if code == "NON"
    else {"N": "None fulfilled", "P": "Part fulfilled", "A": "All fulfilled"}[code[2]]
    for code, id in STOCK_IDS.items()
}
PAYMENT_METHODS = (("STRIPE", "Stripe"), ("PAYPAL", "PayPal"), ("BACS", "Bank transfer"))
NOMINAL_CODES = (
    (1, "1001", "Stock", 1),
    (2, "1100", "Debtors", 1),
    (3, "1240", "Current account", 1),
    (4, "4000", "Sales", 3),
    (5, "4040", "Shipping income", 3),
    (6, "4009", "Discounts allowed", 3),
    (7, "5000", "Purchases", 4),
)

ORDER_FIELDS: Fields = (
    (130, "PCF_GIFT", "Gift message", "TEXT", {}),
    (131, "PCF_ZONE", "Zone", "SELECT", {64: "North", 65: "South"}),
    (132, "PCF_TEAM", "Team", "TEXT", {}),
    (133, "PCF_SFID", "Salesforce id", "TEXT", {}),
    (134, "PCF_M3ORDER", "M3 order", "TEXT", {}),
    (135, "PCF_M3STAT", "M3 order status", "TEXT", {}),
    (136, "PCF_M3INV", "M3 invoice", "TEXT", {}),
)
CONTACT_FIELDS: Fields = (
    (140, "PCF_LOYALTY", "Loyalty number", "INTEGER", {}),
    (141, "PCF_SFID", "Salesforce id", "TEXT", {}),
    (142, "PCF_OPTIN", "Opted in", "YES_NO", {}),
)
PRODUCT_FIELDS: Fields = (
    (150, "PCF_FRAGILE", "Fragile", "YES_NO", {}),
    (151, "PCF_CARE", "Care instructions", "TEXT_AREA", {}),
)
SUPPLIER_FIELDS: Fields = ((160, "PCF_TERMS", "Terms agreed", "DATE", {}),)
PURCHASE_FIELDS: Fields = ((170, "PCF_CONTAINER", "Container", "TEXT", {}),)


def field_metadata(fields: Fields) -> list[Record]:
    """Custom fields as `custom-field-meta-data` returns them."""
    found: list[Record] = []
    for id, code, name, kind, options in fields:
        one: Record = {"id": id, "code": code, "name": name, "customFieldType": kind, "required": False}
        if options:
            one["options"] = {str(key): {"id": key, "value": value} for key, value in options.items()}
        found.append(one)
    return found


# of lists that were set up with the account
_STAMPS: Record = {
    "createdOn": "2019-04-01T09:00:00.000Z",
    "createdById": STAFF,
    "updatedOn": "2019-04-01T09:00:00.000Z",
    "updatedById": STAFF,
}


def reference_lists() -> dict[str, list[Record]]:
    """Every reference list, in the shape of its GET response."""
    return {
        "tax-code": [
            {"id": id, "code": code, "description": text} | ({"rate": rate / 100} if rate else {})
            for id, code, text, rate in TAX_CODES
        ],
        "order-status": [_status(*row, order) for order, row in enumerate(STATUSES)],
        "order-type": [{"id": id, "code": code, "description": name} for id, name, code in ORDER_TYPES],
        "price-list": [_price_list(*row) for row in PRICE_LISTS],
        "channel": [_channel(*row) for row in CHANNELS],
        "warehouse": [_warehouse(*row) for row in WAREHOUSES],
        "shipping-method": [_shipping_method(*row) for row in SHIPPING_METHODS],
        "brand": [{"id": id, "name": name, "description": ""} for id, name in BRANDS],
        "product-type": [{"id": id, "name": name} for id, name in PRODUCT_TYPES],
        "brightpearl-category": [
            {"id": id, "name": name, "parentId": 0, "active": True, **_STAMPS} for id, name in CATEGORIES
        ],
        "lead-source": [
            {"id": id, "ownerId": 0, "parentId": 0, "name": name, "isActive": True}
            for id, name in LEAD_SOURCES
        ],
        "contact-group": [
            {"contactGroupId": id, "name": name, "description": text} for id, name, text in GROUPS
        ],
        "tag": [{"tagId": id, "tagName": name} for id, name in TAGS],
        "nominal-code": [_nominal(*row) for row in NOMINAL_CODES],
        "order-stock-status": [
            {"id": id, "code": c, "description": STOCK_NAMES[str(id)]} for c, id in STOCK_IDS.items()
        ],
        "order-shipping-status": [
            {"id": id, "code": code, "description": SHIPPING_NAMES[str(id)]}
            for code, id in SHIPPING_IDS.items()
        ],
        "payment-method": [
            {"id": id, "code": code, "name": name} for id, (code, name) in enumerate(PAYMENT_METHODS, 1)
        ],
        "currency": [
            {
                "id": id,
                "title": name,
                "code": code,
                "symbol": sign,
                "exchangeRate": rate / 1e6,
                "isDefault": id == 1,
            }
            for id, code, name, sign, rate in CURRENCIES
        ],
    }


def _status(id: int, name: str, kind: str, state: str, color: str, order: int) -> Record:
    found = {"statusId": id, "name": name, "orderTypeCode": kind, "sortOrder": order, "disabled": False}
    found |= {"visible": state != "draft", "color": color, "remindAfterDays": 0, "alertEmails": []}
    return found | {"emailContent": "", "batchProcess": False} | ({"state": state} if state else {})


def _price_list(id: int, name: str, code: str, currency: str, kind: str, gross: bool) -> Record:
    symbol = next(row[3] for row in CURRENCIES if row[1] == currency)
    return {
        "id": id,
        "name": {"languageCode": "en", "text": name, "format": "PLAINTEXT"},
        "code": code,
        "currencyCode": currency,
        "currencySymbol": symbol,
        "currencyId": CURRENCY_IDS[currency],
        "priceListTypeCode": kind,
        "gross": gross,
    }


def _channel(id: int, name: str, kind: int, warehouse: int) -> Record:
    return {
        "id": id,
        "name": name,
        "channelTypeId": kind,
        "channelBrandId": 1,
        "defaultWarehouseId": warehouse,
        "defaultPriceListId": 2,
        "warehouseIds": [warehouse],
        "showInChannelMenu": True,
    }


def _warehouse(id: int, name: str, address: int) -> Record:
    return {
        "name": name,
        "id": id,
        "typeCode": "EXT" if id == 3 else "OWN",
        "typeDescription": "Third party" if id == 3 else "Own warehouse",
        "address": {"addressId": address},
        "clickAndCollectEnabled": id == 2,
    }


def _shipping_method(id: int, name: str, code: str) -> Record:
    found = {"id": id, "name": name, "code": code, "breaks": 1, "methodType": 0}
    return found | {"additionalInformationRequired": False, "countries": [], "channelBrandTemplates": []}


def _nominal(id: int, code: str, name: str, kind: int) -> Record:
    found: Record = {"id": id, "code": code, "name": name, "type": {"id": kind}, "bank": code == "1240"}
    found |= {"expense": code == "5000", "discount": code == "4009", "editable": True, "active": True}
    return found | {"taxCode": 2, "chartMapCode": "", "reconcile": code == "1240"}
