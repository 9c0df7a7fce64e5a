import pytest

from inventory.app import create_app
from inventory.stock import OutOfStock, Stock


def test_put_and_take():
    stock = Stock()
    stock.put("bolt", 5)
    assert stock.take("bolt", 2) == 3


def test_more_than_there_is_cannot_be_taken():
    with pytest.raises(OutOfStock):
        Stock().take("bolt", 1)


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_is_at_least_one(quantity):
    with pytest.raises(ValueError):
        Stock().put("bolt", quantity)


def test_over_http():
    client = create_app().test_client()
    client.post("/articles/bolt/put", json={"quantity": 2})
    assert client.get("/articles/bolt").get_json()["count"] == 2
    assert client.post("/articles/bolt/take", json={"quantity": 3}).status_code == 409
