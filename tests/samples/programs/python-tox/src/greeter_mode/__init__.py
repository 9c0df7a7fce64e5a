import datetime
import os

import yaml

MODE = os.environ.get("GREETER_MODE", "live")


def greeting(text):
    data = yaml.safe_load(text)
    hour = datetime.datetime.now().hour
    return f"{'Morning' if hour < 12 else 'Evening'}, {data['name']}"
