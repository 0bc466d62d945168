"""The pith registry: permanent names for records, and receipts that anyone can check."""

from typing import Final

VERSION: Final = "0.1.0"
