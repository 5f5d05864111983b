"""The rows of one order as JSON text, and what they add up to.

Text and not objects: it is several times quicker to make, and most orders are only ever sent.
"""

from __future__ import annotations

from functools import cache

from ..money import half_up, two
from ..reference_data import LIST_OF_CURRENCY, RATES, TRADE
from .countries import STANDARD_TAX
from .customers import Person
from .products import Article, Catalogue

Tax = tuple[int, str, int]
MISC_PRODUCT = 1000
_UK_TAX: dict[int, Tax] = {1: (1, "Z", 0), 2: STANDARD_TAX, 3: (3, "T5", 500)}
_QUANTITIES = (1, 1, 1, 2, 1, 3, 1, 2, 5, 1, 12, 1, 1, 2, 1, 4)
_SHIPPING = (495, 395, 0, 695)
_SHAPE = '{{"bundleParent":{},"bundleChild":{},"parentOrderRowId":{}}}'
_PLAIN = _SHAPE.format("false", "false", 0)
_PARENT = _SHAPE.format("true", "false", 0)


@cache
def _taxed(tax: Tax) -> str:
    id, code, rate = tax
    return f'"taxRate":"{two(rate)}00","taxCode":"{code}","taxCalculator":"brightpearl","taxClassId":{id}'


class Lines:
    """Rows with sums in hundredths of the order's currency."""

    def __init__(
        self, catalogue: Catalogue, who: Person, bits: int, first_row: int, cloned_from: int = 0
    ) -> None:
        self.catalogue, self.who, self.bits, self.first = catalogue, who, bits, first_row
        self.cloned_from = cloned_from  # first row of the order that a credit takes back
        country = who.country
        self.currency, self.tax_of_country = country.currency, country.tax
        self.price_list = TRADE if who.company and self.currency == "GBP" else LIST_OF_CURRENCY[self.currency]
        self.gross, self.home = self.price_list in (2, 4), country.code == "GB"
        self.rows: list[str] = []
        self.net = self.tax = self.goods = 0

    def fill(self, only_first: bool = False) -> str:
        """Make the rows; gives the map of them. Only the first article, where a part is taken back."""
        bits, count = self.bits, self.catalogue.count
        articles = 1 if only_first else (1, 2, 1, 3, 2, 1, 4, 2)[bits >> 4 & 7]
        for number in range(articles if count else 0):
            self._article(
                self.catalogue.article((bits >> (8 + number * 9)) % count), bits >> (20 + number * 5)
            )
        if not self.rows:
            self._extra("Engraving – made to order", self._amount(1250), "4000")
        if only_first:
            return ",".join(self.rows)
        if bits >> 50 & 7 == 0:
            self._extra("Discount: WELCOME10", -self._rounded(self.goods // 10), "4009")
        if bits >> 53 & 7:
            self._extra("Shipping", self._amount(_SHIPPING[bits >> 56 & 3]), "4040")
        # The order of the keys of this map means nothing to Brightpearl.
        return ",".join(reversed(self.rows) if bits & 1 else self.rows)

    def _article(self, item: Article, bits: int) -> None:
        tax = _UK_TAX[item.tax_class] if self.home else self.tax_of_country
        price = item.prices.get(self.price_list)
        if price is None:
            price = self._amount(item.prices[2])
        count = _QUANTITIES[bits >> 6 & 15]
        parent = self.first + len(self.rows)
        free, off = bits & 63 == 1, 1000 if bits >> 10 & 15 == 3 else 0
        self.goods += self._item(
            item, count, 0 if free else price, off, tax, _PARENT if item.components else _PLAIN
        )
        for place, number in item.components:
            inside = _SHAPE.format("false", "true", parent)
            self._item(self.catalogue.article(place), count * number, 0, 0, tax, inside)

    def _item(self, item: Article, count: int, price: int, off: int, tax: Tax, shape: str) -> int:
        label = self.catalogue.label(item.id, item.place)
        tail = f"{shape},{self.catalogue.choices(item.id, item.place)}{self._origin()}"
        return self._add(label, count, price, off, tax, "4000", tail)

    def _extra(self, name: str, price: int, nominal: str) -> None:
        cost = '"itemCost":{"currencyCode":"GBP","value":"0.0000"}'
        label = f'"productId":{MISC_PRODUCT},"productName":"{name}",{cost}'
        self._add(label, 1, price, 0, self.tax_of_country, nominal, f"{_PLAIN},{self._origin()}")

    def _origin(self) -> str:
        return f'"clonedFromId":{self.cloned_from + len(self.rows) if self.cloned_from else 0}'

    def _add(self, label: str, count: int, price: int, off: int, tax: Tax, nominal: str, tail: str) -> int:
        amount = self._rounded(price * count * (10000 - off) // 10000) if off else price * count
        net, taxed = self._split(amount, tax[2])
        self.net += net
        self.tax += taxed
        place, code = len(self.rows), f'{{"currencyCode":"{self.currency}","value":"'
        self.rows.append(
            f'"{self.first + place}":{{"orderRowSequence":"{place * 10 + 10}",{label},'
            f'"quantity":{{"magnitude":"{count}.0000"}},'
            f'"productPrice":{code}{two(price)}00"}},"discountPercentage":"{"10.00" if off else "0.00"}",'
            f'"rowValue":{{{_taxed(tax)},'
            f'"rowNet":{code}{two(net)}00"}},"rowTax":{code}{two(taxed)}"}}}},'
            f'"nominalCode":"{nominal}","composition":{tail}}}'
        )
        return amount

    def _split(self, amount: int, rate: int) -> tuple[int, int]:
        if not rate:
            return amount, 0
        if self.gross:
            taxed = half_up(amount * rate, 10000 + rate)
            return amount - taxed, taxed
        return amount, half_up(amount * rate, 10000)

    def _amount(self, pence: int) -> int:
        return self._rounded(pence * RATES[self.currency] // 1_000_000)

    def _rounded(self, hundredths: int) -> int:
        # The yen has no smaller unit.
        return hundredths // 100 * 100 if self.currency == "JPY" else hundredths
