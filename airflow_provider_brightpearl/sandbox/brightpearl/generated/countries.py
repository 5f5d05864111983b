"""Countries with valid postcodes and telephone numbers, to make addresses from.

In the patterns `#` is a digit and `@` a letter that the country's postcodes use.
"""

from __future__ import annotations

from dataclasses import dataclass

_UK_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
_CA_LETTERS = "ABCEGHJKLMNPRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class City:
    """A city, its region, and patterns of its postcodes and telephone numbers."""

    name: str
    region: str
    postcode: str
    phone: str


@dataclass(frozen=True, slots=True)
class Country:
    """A country with the data of its addresses, prices and taxes."""

    code: str
    code3: str
    name: str
    id: int
    currency: str
    tax: tuple[int, str, int]  # id, code, rate in hundredths of a percent
    language: str
    letters: str
    mobile: str
    dialling: str
    streets: tuple[str, ...]
    cities: tuple[City, ...]
    weight: int = 1


def fill_pattern(pattern: str, bits: int, letters: str = _UK_LETTERS) -> str:
    """A pattern filled in from pseudo-random bits."""
    out = []
    for sign in pattern:
        if sign == "#":
            bits, digit = divmod(bits, 10)
            out.append(str(digit))
        elif sign == "@":
            bits, index = divmod(bits, len(letters))
            out.append(letters[index])
        else:
            out.append(sign)
    return "".join(out)


_UK_STREETS = (
    "{n} Quay Street",
    "{n} High Street",
    "Flat {n}, 12 Mill Lane",
    "{n}A Church Road",
    "{n} St. Mary's Close",
)
_US_STREETS = ("{n} Maple Ave", "{n} NE 7th Street, Apt 4", "{n} Lakeview Drive", "{n} W Broadway")
_DE_STREETS = ("Hauptstraße {n}", "Schillerstr. {n}", "Am Mühlbach {n}", "Königsallee {n}")
_FR_STREETS = (
    "{n} rue de la République",
    "{n} bis, avenue Émile Zola",
    "{n} place de l'Église",
    "{n} quai des Brumes",
)
_IT_STREETS = ("Via Garibaldi {n}", "Corso Vittorio Emanuele II, {n}", "Piazza della Libertà {n}")
_ES_STREETS = ("Calle Mayor {n}", "Avenida de la Constitución {n}", "Paseo de Muñoz {n}")
_NL_STREETS = ("Prinsengracht {n}", "Dorpsstraat {n}", "Coöperatielaan {n}")
_JP_STREETS = ("道玄坂{n}-2-1", "本町{n}-5-3", "中央{n}-11")
_AU_STREETS = ("{n} Wattle Street", "Unit {n}/8 Harbour Parade", "{n} King William Rd")
_IE_STREETS = ("{n} Grafton Street", "{n} Bóthar na Trá", "The Old Mill, {n} Main Street")
_KW_STREETS = ("Block 3, Street {n}, Building 7", "Block 11, Street {n}, House 21")
_CA_STREETS = ("{n} Queen Street West", "{n} rue Sainte-Catherine", "{n} Granville St")

STANDARD_TAX = (2, "T20", 2000)
NO_TAX = (4, "E", 0)

COUNTRIES: tuple[Country, ...] = (
    Country(
        "GB",
        "GBR",
        "United Kingdom",
        222,
        "GBP",
        STANDARD_TAX,
        "en",
        _UK_LETTERS,
        "07712 ######",
        "+44",
        _UK_STREETS,
        (
            City("Bristol", "Avon", "BS1 #@@", "0117 496 ####"),
            City("London", "Greater London", "SW1A #@@", "020 7946 ####"),
            City("Manchester", "Greater Manchester", "M4 #@@", "0161 496 ####"),
            City("Edinburgh", "Midlothian", "EH3 #@@", "0131 496 ####"),
            City("Cardiff", "South Glamorgan", "CF10 #@@", "029 2018 ####"),
            City("Leeds", "West Yorkshire", "LS2 #@@", "0113 496 ####"),
        ),
        9,
    ),
    Country(
        "US",
        "USA",
        "United States",
        223,
        "USD",
        NO_TAX,
        "en",
        _UK_LETTERS,
        "(917) 555-####",
        "+1",
        _US_STREETS,
        (
            City("Portland", "Oregon", "972##", "(503) 555-####"),
            City("New York", "New York", "100##", "(212) 555-####"),
            City("Austin", "Texas", "787##", "512-555-####"),
            City("San Francisco", "California", "941##", "(415) 555-####"),
        ),
        4,
    ),
    Country(
        "DE",
        "DEU",
        "Germany",
        81,
        "EUR",
        (5, "DE19", 1900),
        "de",
        "",
        "0151 2345####",
        "+49",
        _DE_STREETS,
        (
            City("Berlin", "Berlin", "101##", "030 23125###"),
            City("München", "Bayern", "803##", "089 99998###"),
            City("Köln", "Nordrhein-Westfalen", "506##", "0221 4710###"),
        ),
        3,
    ),
    Country(
        "FR",
        "FRA",
        "France",
        73,
        "EUR",
        (6, "FR20", 2000),
        "fr",
        "",
        "06 12 34 ## ##",
        "+33",
        _FR_STREETS,
        (
            City("Paris", "Île-de-France", "750##", "01 99 00 ## ##"),
            City("Lyon", "Auvergne-Rhône-Alpes", "6900#", "04 65 71 ## ##"),
        ),
        3,
    ),
    Country(
        "IT",
        "ITA",
        "Italy",
        105,
        "EUR",
        (7, "IT22", 2200),
        "it",
        "",
        "347 123 ####",
        "+39",
        _IT_STREETS,
        (City("Roma", "Roma", "001##", "06 6982 ####"), City("Milano", "Milano", "201##", "02 7200 ####")),
        2,
    ),
    Country(
        "ES",
        "ESP",
        "Spain",
        195,
        "EUR",
        (8, "ES21", 2100),
        "es",
        "",
        "612 34 ## ##",
        "+34",
        _ES_STREETS,
        (
            City("Madrid", "Madrid", "280##", "91 123 ## ##"),
            City("A Coruña", "A Coruña", "150##", "981 12 ## ##"),
        ),
        1,
    ),
    Country(
        "NL",
        "NLD",
        "Netherlands",
        150,
        "EUR",
        (10, "NL21", 2100),
        "nl",
        "ABCEGHJKLMNPRTVWXZ",
        "06 1234 ####",
        "+31",
        _NL_STREETS,
        (City("Amsterdam", "Noord-Holland", "1012 @@", "020 794 ####"),),
        1,
    ),
    Country(
        "IE",
        "IRL",
        "Ireland",
        103,
        "EUR",
        (9, "IE23", 2300),
        "en",
        "ACDEFHKNPRTVWXY",
        "085 123 ####",
        "+353",
        _IE_STREETS,
        (
            City("Dublin", "Co. Dublin", "D02 @#@#", "01 874 ####"),
            City("Galway", "Co. Galway", "H91 @#@#", "091 56 ####"),
        ),
        2,
    ),
    Country(
        "JP",
        "JPN",
        "Japan",
        107,
        "JPY",
        NO_TAX,
        "ja",
        "",
        "090-1234-####",
        "+81",
        _JP_STREETS,
        (
            City("渋谷区", "東京都", "150-00##", "03-5321-####"),
            City("大阪市", "大阪府", "530-00##", "06-6345-####"),
        ),
        2,
    ),
    Country(
        "CA",
        "CAN",
        "Canada",
        38,
        "CAD",
        NO_TAX,
        "en",
        _CA_LETTERS,
        "(647) 555-####",
        "+1",
        _CA_STREETS,
        (
            City("Toronto", "Ontario", "M5V #@#", "(416) 555-####"),
            City("Montréal", "Québec", "H2X #@#", "(514) 555-####"),
        ),
        2,
    ),
    Country(
        "AU",
        "AUS",
        "Australia",
        13,
        "AUD",
        NO_TAX,
        "en",
        "",
        "0491 57# ###",
        "+61",
        _AU_STREETS,
        (
            City("Sydney", "New South Wales", "200#", "(02) 5550 ####"),
            City("Adelaide", "South Australia", "500#", "(08) 7010 ####"),
        ),
        2,
    ),
    Country(
        "KW",
        "KWT",
        "Kuwait",
        114,
        "KWD",
        NO_TAX,
        "en",
        "",
        "5000 ####",
        "+965",
        _KW_STREETS,
        (City("Kuwait City", "Al Asimah", "130##", "2222 ####"),),
        1,
    ),
)

WEIGHTED: tuple[Country, ...] = tuple(country for country in COUNTRIES for _ in range(country.weight))
BY_CODE3 = {country.code3: country for country in COUNTRIES}
BY_CODE = {country.code: country for country in COUNTRIES}
COUNTRY_BY_ID: dict[object, Country] = {country.id: country for country in COUNTRIES}
