"""Generates the rows of an order as JSON text, with their totals.

Text rather than objects, because it is several times faster and most orders are only ever sent.
"""

from __future__ import annotations

from functools import cache

from ..money import divide_half_up, two_decimals
from ..reference_data import LIST_OF_CURRENCY, RATES, TRADE
from .countries import STANDARD_TAX
from .customers import Person
from .products import CatalogueItem, ProductGenerator

TaxRate = tuple[int, str, int]
MISC_PRODUCT = 1000
_UK_TAX: dict[int, TaxRate] = {1: (1, "Z", 0), 2: STANDARD_TAX, 3: (3, "T5", 500)}
_QUANTITIES = (1, 1, 1, 2, 1, 3, 1, 2, 5, 1, 12, 1, 1, 2, 1, 4)
_SHIPPING = (495, 395, 0, 695)
_SHAPE = '{{"bundleParent":{},"bundleChild":{},"parentOrderRowId":{}}}'
_PLAIN = _SHAPE.format("false", "false", 0)
_PARENT = _SHAPE.format("true", "false", 0)


@cache
def _tax_json(tax: TaxRate) -> str:
    id, code, rate = tax
    return f'"taxRate":"{two_decimals(rate)}00","taxCode":"{code}","taxCalculator":"brightpearl","taxClassId":{id}'


class OrderRowBuilder:
    """Builds the rows of one order; amounts are hundredths of its currency."""

    def __init__(
        self, products: ProductGenerator, buyer: Person, bits: int, first_row: int, cloned_from: int = 0
    ) -> None:
        self.products, self.buyer, self.bits, self.first_row = products, buyer, bits, first_row
        self.cloned_from = cloned_from  # first row id of the order that is credited
        country = buyer.country
        self.currency, self.tax_of_country = country.currency, country.tax
        self.price_list = (
            TRADE if buyer.company and self.currency == "GBP" else LIST_OF_CURRENCY[self.currency]
        )
        self.prices_include_tax, self.is_domestic = self.price_list in (2, 4), country.code == "GB"
        self.rows: list[str] = []
        self.net = self.tax = self.goods = 0

    def build(self, only_first: bool = False) -> str:
        """Build the rows and return them as the content of a JSON map.

        Args:
            only_first: build only the first product, for a partial credit.
        """
        bits, count = self.bits, self.products.count
        articles = 1 if only_first else (1, 2, 1, 3, 2, 1, 4, 2)[bits >> 4 & 7]
        for number in range(articles if count else 0):
            self._add_product(
                self.products.item((bits >> (8 + number * 9)) % count), bits >> (20 + number * 5)
            )
        if not self.rows:
            self._add_extra("Engraving – made to order", self._amount(1250), "4000")
        if only_first:
            return ",".join(self.rows)
        if bits >> 50 & 7 == 0:
            self._add_extra("Discount: WELCOME10", -self._rounded(self.goods // 10), "4009")
        if bits >> 53 & 7:
            self._add_extra("Shipping", self._amount(_SHIPPING[bits >> 56 & 3]), "4040")
        # The keys of this map have no order in Brightpearl.
        return ",".join(reversed(self.rows) if bits & 1 else self.rows)

    def _add_product(self, item: CatalogueItem, bits: int) -> None:
        tax = _UK_TAX[item.tax_class] if self.is_domestic else self.tax_of_country
        price = item.prices.get(self.price_list)
        if price is None:
            price = self._amount(item.prices[2])
        count = _QUANTITIES[bits >> 6 & 15]
        parent = self.first_row + len(self.rows)
        free, discount = bits & 63 == 1, 1000 if bits >> 10 & 15 == 3 else 0
        self.goods += self._add_item(
            item, count, 0 if free else price, discount, tax, _PARENT if item.components else _PLAIN
        )
        for index, number in item.components:
            inside = _SHAPE.format("false", "true", parent)
            self._add_item(self.products.item(index), count * number, 0, 0, tax, inside)

    def _add_item(
        self, item: CatalogueItem, count: int, price: int, discount: int, tax: TaxRate, shape: str
    ) -> int:
        identity = self.products.row_identity(item.id, item.index)
        tail = f"{shape},{self.products.row_options(item.id, item.index)}{self._origin()}"
        return self._add_row(identity, count, price, discount, tax, "4000", tail)

    def _add_extra(self, name: str, price: int, nominal: str) -> None:
        cost = '"itemCost":{"currencyCode":"GBP","value":"0.0000"}'
        identity = f'"productId":{MISC_PRODUCT},"productName":"{name}",{cost}'
        self._add_row(identity, 1, price, 0, self.tax_of_country, nominal, f"{_PLAIN},{self._origin()}")

    def _origin(self) -> str:
        return f'"clonedFromId":{self.cloned_from + len(self.rows) if self.cloned_from else 0}'

    def _add_row(
        self, identity: str, count: int, price: int, discount: int, tax: TaxRate, nominal: str, tail: str
    ) -> int:
        amount = self._rounded(price * count * (10000 - discount) // 10000) if discount else price * count
        net, taxed = self._split(amount, tax[2])
        self.net += net
        self.tax += taxed
        index, code = len(self.rows), f'{{"currencyCode":"{self.currency}","value":"'
        self.rows.append(
            f'"{self.first_row + index}":{{"orderRowSequence":"{index * 10 + 10}",{identity},'
            f'"quantity":{{"magnitude":"{count}.0000"}},'
            f'"productPrice":{code}{two_decimals(price)}00"}},"discountPercentage":"{"10.00" if discount else "0.00"}",'
            f'"rowValue":{{{_tax_json(tax)},'
            f'"rowNet":{code}{two_decimals(net)}00"}},"rowTax":{code}{two_decimals(taxed)}"}}}},'
            f'"nominalCode":"{nominal}","composition":{tail}}}'
        )
        return amount

    def _split(self, amount: int, rate: int) -> tuple[int, int]:
        if not rate:
            return amount, 0
        if self.prices_include_tax:
            taxed = divide_half_up(amount * rate, 10000 + rate)
            return amount - taxed, taxed
        return amount, divide_half_up(amount * rate, 10000)

    def _amount(self, pence: int) -> int:
        return self._rounded(pence * RATES[self.currency] // 1_000_000)

    def _rounded(self, hundredths: int) -> int:
        # The yen has no minor unit.
        return hundredths // 100 * 100 if self.currency == "JPY" else hundredths
