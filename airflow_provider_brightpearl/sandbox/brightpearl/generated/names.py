"""Names of people and companies, with accents, punctuation and emoji."""

from __future__ import annotations

import unicodedata

FIRST_NAMES: dict[str, tuple[str, ...]] = {
    "en": (
        "Ada",
        "Oliver",
        "Siobhán",
        "George",
        "Priya",
        "Zoë",
        "Jack",
        "Mohammed",
        "Grace",
        "Renée",
        "Tom",
        "Aoife",
    ),
    "de": ("Jürgen", "Käthe", "Lukas", "Annelie", "Björn", "Sophie", "Günter"),
    "fr": ("Élodie", "François", "Chloé", "Jean-Luc", "Anaïs", "Loïc"),
    "it": ("Giulia", "Niccolò", "Francesca", "Matteo", "Chiara"),
    "es": ("Íñigo", "María José", "Lucía", "Andrés"),
    "nl": ("Daan", "Noël", "Anouk", "Sanne"),
    "ja": ("陽菜", "蓮", "Haruka", "Kenji", "さくら"),
}
LAST_NAMES: dict[str, tuple[str, ...]] = {
    "en": (
        "Marsh",
        "O'Neill",
        "Smith",
        "Patel",
        "MacDonald",
        "Brontë",
        "Taylor-Jones",
        "Khan",
        "Ó Briain",
        "Walker",
    ),
    "de": ("Müller", "Weiß", "von der Heide", "Schröder", "Köhler"),
    "fr": ("Lefèvre", "d'Aubigné", "Côté", "Martin", "Gérard"),
    "it": ("Rossi", "D'Angelo", "De Luca", "Nicolò", "Ferrari"),
    "es": ("Núñez García", "Peña", "Ibáñez", "López"),
    "nl": ("de Vries", "van den Berg", "Jansen", "Coëlho"),
    "ja": ("佐藤", "鈴木", "Tanaka", "高橋"),
}
COMPANIES = (
    "Northwind & Sons Ltd",
    "Café ☕ Luna",
    "Harbour Supplies plc",
    "Blumenladen Rösler GmbH",
    "L'Atelier du Pain SARL",
    "🌿 Green Leaf Trading",
    "Officine Bellò S.r.l.",
    "Marsh, Patel + Partners LLP",
    'The "Corner" Shop',
    "株式会社さくら商店",
)
DOMAINS = ("example.com", "mail.example.org", "example.co.uk", "post.example.net")


def email_address(first: str, last: str, number: int) -> str:
    """An ASCII email address from a name; always the same for one person."""
    plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
    name = plain.lower().replace(" ", "").replace("'", "")
    local = name if len(name) > 2 else "customer"
    return f"{local}.{number}@{DOMAINS[number % len(DOMAINS)]}"
