"""The columns of every search, as the reference lists them (section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import reference_data

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a search."""

    name: str
    kind: str
    sortable: bool = True
    filterable: bool = True
    reference: str = ""
    shown: bool = True

    def described(self) -> Record:
        """The column as search metadata shows it."""
        return {
            "name": self.name,
            "sortable": self.sortable,
            "filterable": self.filterable,
            "reportDataType": self.kind,
            "referenceData": [self.reference] if self.reference else [],
            "isFreeTextSearchable": False,
            "required": False,
        }


_KINDS = {
    "#": "IDSET",
    "n": "INTEGER",
    "?": "BOOLEAN",
    "s": "STRING",
    "~": "SEARCH_STRING",
    "+": "STRING_SET",
    "d": "DATETIME",
    "p": "PERIOD",
    "m": "NUMBER",
}


def read(text: str) -> tuple[Column, ...]:
    """Columns written as `name:kind[:reference]`.

    Before a name, `!` means not sortable, `-` not filterable, `(` filter only.
    """
    found = []
    for word in text.split():
        name, kind, reference = (*word.split(":"), "")[:3]
        bare = name.lstrip("!(-")
        sortable, filterable = name[0] not in "!(", kind != "m" and name[0] != "-"
        found.append(Column(bare, _KINDS[kind], sortable, filterable, reference, name[0] != "("))
    return tuple(found)


ORDER = read(
    "orderId:# orderTypeId:#:orderTypeNames contactId:n orderStatusId:n:orderStatusNames"
    " orderStockStatusId:n:orderStockStatusNames createdOn:p createdById:n customerRef:s"
    " orderPaymentStatusId:n:orderPaymentStatusNames updatedOn:p parentOrderId:#"
    " orderShippingStatusId:n:orderShippingStatusNames externalRef:s"
    " installedIntegrationInstanceId:n warehouseId:# staffOwnerContactId:n taxDate:p"
    " departmentId:n deliveryDate:p (placedOn:p (shippingMethodId:# (projectId:# (channelId:#"
    " (leadSourceId:# (isClosed:? (externalRefs:+ (externalRefSearchString:~"
)
SALES_ORDER = read(
    "salesOrderId:# customerId:# orderStatusId:#:orderStatusNames"
    " orderStockStatus:#:orderStockStatusNames createdOn:p createdById:# customerRef:s"
    " orderPaymentStatus:#:orderPaymentStatusNames updatedOn:p"
    " orderShippingStatus:#:orderShippingStatusNames externalRef:s"
    " installedIntegrationInstanceId:# warehouseId:# staffOwnerId:# taxDate:p channelId:#"
    " deliveryDate:p (productIds:# (isHistoricalOrder:?"
)
ORDER_NOTE = read(
    "orderId:# noteId:# contactId:# !noteText:~ isPublic:? dateAdded:p addedBy:# orderStatusId:#"
)
CONTACT = read(
    "contactId:# primaryEmail:~ secondaryEmail:~ tertiaryEmail:~ firstName:~ lastName:~"
    " !isSupplier:? companyName:~ !isStaff:? !isCustomer:? createdOn:p updatedOn:p lastContactedOn:p"
    " lastOrderedOn:p nominalCode:n isPrimary:? !pri:s !sec:s !mob:s exactCompanyName:s title:s"
    " (allEmail:~ (allPhone:~ (tagIds:# (companyIds:#"
)
COMPANY = read("companyId:# name:~")
CONTACT_GROUP = read("contactGroupId:# name:~ description:~ numberOfMembers:n")
PRODUCT = read(
    "productId:#:productCategoryMembership productName:~ SKU:s barcode:s EAN:s UPC:s ISBN:s MPN:s stockTracked:?"
    " -salesChannelName:s createdOn:p updatedOn:p !brightpearlCategoryCode:# productGroupId:n"
    " brandId:# productTypeId:# productStatus:+ primarySupplierId:#"
)
BRAND = read("brandId:# brandName:~ updatedOn:p")
PRODUCT_TYPE = read("productTypeId:# productTypeName:~")
CATEGORY = read("id:# name:~ parentId:# active:? createdOn:p createdById:# updatedOn:p updatedBy:#")
GOODS_OUT = read(
    "goodsOutNoteId:# printed:? picked:? packed:? shipped:? shippedOn:p orderId:#"
    " shippingMethodId:# warehouseId:# priority:? createdOn:p releaseDate:p createdBy:#"
    " labelUri:s channelId:# transfer:?"
)
GOODS_MOVEMENT = read(
    "goodsMovementId:# productId:# salesOrderRowId:# purchaseOrderRowId:# quantity:n"
    " destinationLocationId:# warehouseId:# goodsNoteId:# productValue:m currencyCode:s orderId:#"
    " isCleared:? isQuarantine:? batchId:# goodsNoteTypeCode:s updatedOn:p"
)
PAYMENT = read(
    "paymentId:# !transactionRef:s !transactionCode:s !paymentMethodCode:s !paymentType:s"
    " !orderId:# !currencyId:# !currencyCode:s !amountAuthorized:s !amountPaid:s !expires:p"
    " paymentDate:p createdOn:p journalId:#"
)
CURRENCY = read("id:# title:~ code:s symbol:s exchangeRate:m isDefault:? exchangeRateVarianceNominalCode:s")
NOMINAL_CODE = read("code:s name:~ type:# bank:? currencyId:# active:?")
PAYMENT_METHOD = read("id:# code:s name:~")
WAREHOUSE = read("id:# name:~ typeDescription:s addressId:#")
SHIPPING_METHOD = read("id:# code:s name:~")

REFERENCES: dict[str, dict[str, str]] = {
    "orderTypeNames": reference_data.TYPE_NAMES,
    "orderStatusNames": {str(id): name for id, name in reference_data.STATUS_NAMES.items()},
    "orderStockStatusNames": reference_data.STOCK_NAMES,
    "orderPaymentStatusNames": {str(id): name for name, id in reference_data.PAYMENT_IDS.items()},
    "orderShippingStatusNames": reference_data.SHIPPING_NAMES,
}
