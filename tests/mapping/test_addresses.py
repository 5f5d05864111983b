from __future__ import annotations

import pytest

from airflow_provider_brightpearl.mapping.addresses import phone, postcode, region
from tests.mapping.bench import flow, run


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("bs11aa", "GB", "BS1 1AA"),
        (" sw1a 1aa ", "GB", "SW1A 1AA"),
        ("SW1A-1AA", "GB", "SW1A 1AA"),
        ("m11ae", "GB", "M1 1AE"),
        ("k1a0b1", "CA", "K1A 0B1"),
        ("12345", "US", "12345"),
        ("123456789", "US", "12345-6789"),
        ("1234ab", "NL", "1234 AB"),
        ("75008", "FR", "75008"),
        ("not a code", "GB", "NOT A CODE"),
        ("1234567", "JP", "123-4567"),
        ("bs1 1aa", None, "bs1 1aa"),
        ("bs1  1aa", "XX", "bs1 1aa"),
        ("", "GB", None),
        ("  ", "GB", None),
        (None, "GB", None),
    ],
)
def test_postcodes_are_spelled_as_their_country_does(
    text: str | None, country: str | None, expected: str | None
) -> None:
    assert expected == postcode(text, country)


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("Texas", "US", "TX"),
        ("texas", "US", "TX"),
        ("tx", "US", "TX"),
        ("Ontario", "CA", "ON"),
        ("New South Wales", "AU", "NSW"),
        ("Avon", "GB", "Avon"),
        ("Nowhere", "US", "Nowhere"),
        ("  Nowhere  at all", "US", "Nowhere at all"),
        ("Texas", None, "Texas"),
        ("Texas", "XX", "Texas"),
        ("", "US", None),
        (None, "US", None),
        # codes of ISO 3166-2, not abbreviations of the post
        ("Jalisco", "MX", "JAL"),
        ("jal.", "MX", "JAL"),
        ("Co. Cork", "IE", "CO"),
        ("Sao Paulo", "BR", "SP"),
        ("Quebec", "CA", "QC"),
        ("QUÉBEC", "CA", "QC"),
        ("a coruna", "ES", "C"),
        ("Dubai", "AE", "DU"),
        # in Latin script where codes are numbers
        ("Seoul", "KR", "Seoul"),
        ("서울", "KR", "Seoul"),
        ("東京都", "JP", "Tokyo"),
        ("Kowloon", "HK", "Kowloon"),
        ("England", "GB", "England"),
    ],
)
def test_regions_become_the_code_their_country_writes(
    text: str | None, country: str | None, expected: str | None
) -> None:
    assert expected == region(text, country)


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("0117 496 0000", "GB", "+441174960000"),
        ("+44 (0)117 496 0000", None, "+441174960000"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("01 42 68 53 00", "FR", "+33142685300"),
        ("0117 496 0000", None, "0117 496 0000"),
        (" 12 ", "GB", "12"),
        ("call me", "GB", "call me"),
        ("0117 496 0000", "XX", "0117 496 0000"),
        ("", "GB", None),
        (" ", "GB", None),
        (None, "GB", None),
    ],
)
def test_phones_become_e164_where_they_are_valid(
    number: str | None, country: str | None, expected: str | None
) -> None:
    assert expected == phone(number, country)


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        (
            "GB",
            "GB, gbr, 826, United Kingdom, UK, U.K., Great Britain, England, Scotland, Wales, Northern Ireland",
        ),
        ("US", "USA, U.S.A., United States of America, America"),
        ("TR", "Turkey, Türkiye, Turkiye"),
        ("RU", "Russia, Russian Federation"),
        ("CI", "Ivory Coast, Côte d'Ivoire, Cote d’Ivoire"),
        ("XK", "XK, Kosovo"),
        ("KR", "South Korea, Korea (Republic of)"),
        ("CZ", "Czechia, Czech Republic"),
        ("MK", "Macedonia, North Macedonia"),
        ("NL", "Holland, the Netherlands"),
        ("MM", "Burma, Myanmar"),
        ("SZ", "Swaziland, Eswatini"),
        ("CV", "Cape Verde, Cabo Verde"),
        ("GR", "EL, Greece"),
        ("AE", "UAE, United Arab Emirates"),
        ("VA", "Vatican, Vatican City"),
        ("CG", "Congo"),
        ("FI", "Finland"),
        ("BO", "Bolivia, Plurinational State of Bolivia"),
        ("LC", "St Lucia, St. Lucia, Saint Lucia"),
    ],
)
def test_countries_are_known_by_every_spelling(code: str, spellings: str) -> None:
    names = [name.strip() for name in spellings.split(",")]
    records = [{"id": number, "name": name} for number, name in enumerate(names)]
    mapped = run(flow({"Country": "country(name)"}), records)
    assert {name: code for name in names} == {
        names[int(row["_id"])]: row["Country"] for row in mapped.rows["Thing"]
    }


def test_a_name_that_two_countries_share_is_none() -> None:
    names = ["Channel Islands", "Virgin Islands", "Korea", "XX", "-", "Россия"]
    mapped = run(
        flow({"Country": "country(name)"}), [{"id": n, "name": name} for n, name in enumerate(names)]
    )
    assert [] == mapped.rows["Thing"]
    assert "'-' is not a country" in mapped.reasons["4"][2]


def test_an_expression_reads_a_country_in_any_case_and_rejects_what_is_none() -> None:
    names = ["gb", " Gbr ", "France", "Atlantis", None, "", "  "]
    mapped = run(
        flow({"Country": "country(name)"}), [{"id": n, "name": name} for n, name in enumerate(names)]
    )
    assert {"0": "GB", "1": "GB", "2": "FR", "4": None, "5": None, "6": None} == {
        row["_id"]: row["Country"] for row in mapped.rows["Thing"]
    }
    assert {"3": ("Country", "ATLANTIS", "Country: 'ATLANTIS' is not a country")} == mapped.reasons


def test_addresses_are_standardised_in_expressions() -> None:
    fields = {
        "Code": "postcode(name, status)",
        "Region": "region(currency, status)",
        "Phone": "phone(name, status)",
    }
    mapped = run(flow(fields), [{"id": 1, "name": "bs11aa", "status": "GB", "currency": "Avon"}, {"id": 2}])
    assert [("BS1 1AA", "Avon", "bs11aa"), (None, None, None)] == [
        (row["Code"], row["Region"], row["Phone"]) for row in mapped.rows["Thing"]
    ]
