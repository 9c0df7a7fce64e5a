import pytest

from greeter.app import create_app, greet


@pytest.fixture
def client():
    return create_app().test_client()


def test_nobody_in_particular_is_the_world():
    assert greet("") == "Hello, world!"


def test_an_unknown_language_is_english():
    assert greet("Ada", "xx") == "Hello, Ada!"


def test_hello_follows_the_reader_s_language(client):
    answer = client.get("/hello?name=Ada", headers={"Accept-Language": "fr"})
    assert answer.get_json() == {"message": "Bonjour, Ada!"}


def test_health_has_no_content(client):
    assert client.get("/health").status_code == 204
