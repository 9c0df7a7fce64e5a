"""Shelves and what lies on them."""


class OutOfStock(Exception):
    """Less is there than was asked for."""


class Stock:
    """Quantities by article."""

    def __init__(self) -> None:
        self._quantities: dict[str, int] = {}

    def put(self, article: str, quantity: int) -> int:
        """Adds to an article and tells how many are there now."""
        if quantity < 1:
            raise ValueError("a quantity is at least one")
        self._quantities[article] = self.count(article) + quantity
        return self.count(article)

    def take(self, article: str, quantity: int) -> int:
        """Takes from an article and tells how many are left. Raises `OutOfStock`."""
        if self.count(article) < quantity:
            raise OutOfStock(article)
        self._quantities[article] -= quantity
        return self.count(article)

    def count(self, article: str) -> int:
        return self._quantities.get(article, 0)
