from freezegun import freeze_time

import greeter_mode


@freeze_time("2024-01-01 08:00")
def test_morning():
    assert greeter_mode.greeting("name: Ann") == "Morning, Ann"


@freeze_time("2024-01-01 18:00")
def test_evening():
    assert greeter_mode.greeting("name: Bo") == "Evening, Bo"


def test_mode():
    assert greeter_mode.MODE == "test"
