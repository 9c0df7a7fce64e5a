"""What seals learned records in tests."""

from pydantic import SecretStr

KEY = SecretStr("the-key-of-the-tests-0123456789abcdef")
