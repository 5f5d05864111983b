"""The typed columns of Brightpearl's streams, as documented by Brightpearl's API reference and observed on the wire.

Only columns named here can be used in mappings; an account's own fields are reached through ``customFields``
(``customFields->>'PCF_NAME'``). Money and quantities come as text and are DECIMAL, ids are BIGINT.
"""

from __future__ import annotations

from airflow_provider_brightpearl.core.schema import ListOf, MapOf, Schema, StreamSchema

MONEY = "DECIMAL(18,4)"
RATE = "DECIMAL(18,6)"
INSTANT = "TIMESTAMPTZ"

_AMOUNT: Schema = {"currencyCode": "VARCHAR", "value": MONEY}

_POSTAL: Schema = {
    "addressLine1": "VARCHAR",
    "addressLine2": "VARCHAR",
    "addressLine3": "VARCHAR",
    "addressLine4": "VARCHAR",
    "postalCode": "VARCHAR",
    "countryIsoCode": "VARCHAR",
}

_PARTY: Schema = {
    "contactId": "BIGINT",
    "addressFullName": "VARCHAR",
    "companyName": "VARCHAR",
    **_POSTAL,
    "country": "VARCHAR",
    "countryIsoCode3": "VARCHAR",
    "telephone": "VARCHAR",
    "mobileTelephone": "VARCHAR",
    "email": "VARCHAR",
}

_ORDER_ROW: Schema = {
    "orderRowSequence": "BIGINT",
    "productId": "BIGINT",
    "productName": "VARCHAR",
    "productSku": "VARCHAR",
    "quantity": {"magnitude": MONEY},
    "itemCost": _AMOUNT,
    "productPrice": _AMOUNT,
    "discountPercentage": MONEY,
    "rowValue": {
        "taxRate": MONEY,
        "taxCode": "VARCHAR",
        "rowNet": _AMOUNT,
        "rowTax": _AMOUNT,
        "taxClassId": "BIGINT",
    },
    "nominalCode": "VARCHAR",
    "composition": {"bundleParent": "BOOLEAN", "bundleChild": "BOOLEAN", "parentOrderRowId": "BIGINT"},
    "productOptions": "JSON",
    "externalRef": "VARCHAR",
}

_TOTALS: Schema = {
    "net": MONEY,
    "taxAmount": MONEY,
    "total": MONEY,
    "baseNet": MONEY,
    "baseTaxAmount": MONEY,
    "baseTotal": MONEY,
}

_ORDER: Schema = {
    "id": "BIGINT",
    "parentOrderId": "BIGINT",
    "orderTypeCode": "VARCHAR",
    "reference": "VARCHAR",
    "version": "BIGINT",
    "state": {"tax": "VARCHAR"},
    "orderStatus": {"orderStatusId": "BIGINT", "name": "VARCHAR"},
    "orderPaymentStatus": "VARCHAR",
    "stockStatusCode": "VARCHAR",
    "allocationStatusCode": "VARCHAR",
    "shippingStatusCode": "VARCHAR",
    "placedOn": INSTANT,
    "createdOn": INSTANT,
    "updatedOn": INSTANT,
    "closedOn": INSTANT,
    "createdById": "BIGINT",
    "priceListId": "BIGINT",
    "priceModeCode": "VARCHAR",
    "delivery": {"deliveryDate": INSTANT, "shippingMethodId": "BIGINT"},
    "invoices": ListOf({"invoiceReference": "VARCHAR", "taxDate": INSTANT, "dueDate": INSTANT}),
    "currency": {
        "accountingCurrencyCode": "VARCHAR",
        "orderCurrencyCode": "VARCHAR",
        "exchangeRate": RATE,
        "fixedExchangeRate": "BOOLEAN",
    },
    "totalValue": _TOTALS,
    "assignment": {
        "current": {
            "staffOwnerContactId": "BIGINT",
            "projectId": "BIGINT",
            "channelId": "BIGINT",
            "leadSourceId": "BIGINT",
            "teamId": "BIGINT",
        }
    },
    "parties": {"customer": _PARTY, "delivery": _PARTY, "billing": _PARTY},
    "orderRows": MapOf(_ORDER_ROW),
    "warehouseId": "BIGINT",
    "historicalOrder": "BOOLEAN",
    "isDropship": "BOOLEAN",
    "externalRef": "VARCHAR",
    "installedIntegrationInstanceId": "BIGINT",
    "customFields": "JSON",
}

# an order that was never changed has no updatedOn
_CHANGED = ("updatedOn", "createdOn")
_CREATED = ("createdOn",)

ORDER = StreamSchema("id", _ORDER, _CHANGED, _CREATED)

CREDIT = StreamSchema(
    "id",
    {
        **_ORDER,
        # joined by the stream: the order a credit takes back, and its rows by the credit's rows
        "original": {
            "id": "BIGINT",
            "totalValue": _TOTALS,
            "currency": {"orderCurrencyCode": "VARCHAR"},
        },
        "originalRows": "JSON",
    },
    _CHANGED,
    _CREATED,
)

CONTACT = StreamSchema(
    "contactId",
    {
        "contactId": "BIGINT",
        "isPrimaryContact": "BOOLEAN",
        "salutation": "VARCHAR",
        "firstName": "VARCHAR",
        "lastName": "VARCHAR",
        "postAddressIds": {"DEF": "BIGINT", "BIL": "BIGINT", "DEL": "BIGINT"},
        "communication": {
            "emails": {"PRI": {"email": "VARCHAR"}, "SEC": {"email": "VARCHAR"}, "TER": {"email": "VARCHAR"}},
            "telephones": {"PRI": "VARCHAR", "SEC": "VARCHAR", "MOB": "VARCHAR"},
        },
        "relationshipToAccount": {"isSupplier": "BOOLEAN", "isStaff": "BOOLEAN"},
        "financialDetails": {
            "priceListId": "BIGINT",
            "nominalCode": "VARCHAR",
            "creditLimit": MONEY,
            "creditTermDays": "BIGINT",
            "currencyId": "BIGINT",
            "discountPercentage": MONEY,
        },
        "organisation": {"organisationId": "BIGINT", "name": "VARCHAR", "jobTitle": "VARCHAR"},
        "tradeStatus": "VARCHAR",
        "createdOn": INSTANT,
        "updatedOn": INSTANT,
        "contactTags": "VARCHAR",
        "companyId": "BIGINT",
        "customFields": "JSON",
        # joined by the stream
        "addresses": {"DEF": _POSTAL, "BIL": _POSTAL, "DEL": _POSTAL},
    },
    _CHANGED,
    _CREATED,
)

PRODUCT = StreamSchema(
    "id",
    {
        "id": "BIGINT",
        "brandId": "BIGINT",
        "collectionId": "BIGINT",
        "productTypeId": "BIGINT",
        "identity": {
            "sku": "VARCHAR",
            "barcode": "VARCHAR",
            "ean": "VARCHAR",
            "upc": "VARCHAR",
            "isbn": "VARCHAR",
            "mpn": "VARCHAR",
        },
        "productGroupId": "BIGINT",
        "stock": {"stockTracked": "BOOLEAN", "weight": {"magnitude": MONEY}},
        "financialDetails": {"taxable": "BOOLEAN", "taxCode": {"id": "BIGINT", "code": "VARCHAR"}},
        "salesChannels": ListOf(
            {
                "salesChannelName": "VARCHAR",
                "productName": "VARCHAR",
                "productCondition": "VARCHAR",
                "description": {"languageCode": "VARCHAR", "text": "VARCHAR"},
                "shortDescription": {"languageCode": "VARCHAR", "text": "VARCHAR"},
            }
        ),
        # first sales channel, joined by the stream: names live there
        "channel": {
            "productName": "VARCHAR",
            "productCondition": "VARCHAR",
            "description": {"text": "VARCHAR"},
        },
        "composition": {
            "bundle": "BOOLEAN",
            "bundleComponents": ListOf({"productId": "BIGINT", "productQuantity": MONEY}),
        },
        "variations": ListOf({"optionName": "VARCHAR", "optionValue": "VARCHAR"}),
        "customFields": "JSON",
        "createdOn": INSTANT,
        "updatedOn": INSTANT,
        "status": "VARCHAR",
        "nominalCodeSales": "VARCHAR",
        # joined by the stream from product-price
        "priceLists": ListOf(
            {
                "priceListId": "BIGINT",
                "currencyCode": "VARCHAR",
                "sku": "VARCHAR",
                "quantityPrice": "JSON",
            }
        ),
    },
    _CHANGED,
    _CREATED,
)

AVAILABILITY = StreamSchema(
    "productId",
    {
        "productId": "BIGINT",
        "bundle": "BOOLEAN",
        # warehouses that hold the product; of a bundle those where all of its components lie
        "warehouses": ListOf(
            {
                "warehouseId": "BIGINT",
                "inStock": MONEY,
                "onHand": MONEY,
                "allocated": MONEY,
                "inTransit": MONEY,
                # the component that limits a bundle
                "limitedBy": "BIGINT",
            }
        ),
    },
)

SHIPMENT = StreamSchema(
    "id",
    {
        # added by the stream: the note's id (DS before that of a drop-ship note), goods-out or drop-ship
        "id": "VARCHAR",
        "kind": "VARCHAR",
        "orderId": "BIGINT",
        "warehouseId": "BIGINT",
        "supplierId": "BIGINT",
        "purchaseOrderId": "BIGINT",
        "transfer": "BOOLEAN",
        "priority": "BOOLEAN",
        "status": {
            "shipped": "BOOLEAN",
            "packed": "BOOLEAN",
            "picked": "BOOLEAN",
            "printed": "BOOLEAN",
            "pickedOn": INSTANT,
            "packedOn": INSTANT,
            "shippedOn": INSTANT,
        },
        "shipping": {
            "reference": "VARCHAR",
            "shippingMethodId": "BIGINT",
            "boxes": "BIGINT",
            "weight": MONEY,
        },
        "releaseDate": INSTANT,
        "createdOn": INSTANT,
        "createdBy": "BIGINT",
        "labelUri": "VARCHAR",
        # order rows in the note, made flat by the stream
        "lines": ListOf({"orderRowId": "VARCHAR", "productId": "BIGINT", "quantity": MONEY}),
    },
    _CREATED,
    _CREATED,
)

PAYMENT = StreamSchema(
    "paymentId",
    {
        "paymentId": "BIGINT",
        "transactionRef": "VARCHAR",
        "transactionCode": "VARCHAR",
        "paymentMethodCode": "VARCHAR",
        # AUTH, CAPTURE, RECEIPT, PAYMENT (back to the customer), VOID
        "paymentType": "VARCHAR",
        "orderId": "BIGINT",
        "currencyCode": "VARCHAR",
        "amountAuthorized": MONEY,
        "amountPaid": MONEY,
        "paymentDate": INSTANT,
        "createdOn": INSTANT,
        "journalId": "BIGINT",
        # joined by the stream
        "order": {
            "id": "BIGINT",
            "reference": "VARCHAR",
            "currency": {
                "accountingCurrencyCode": "VARCHAR",
                "orderCurrencyCode": "VARCHAR",
                "exchangeRate": RATE,
            },
        },
    },
    _CREATED,
    _CREATED,
)
