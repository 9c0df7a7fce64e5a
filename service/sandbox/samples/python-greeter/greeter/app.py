"""The Flask application: `flask --app greeter.app run`."""

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

GREETINGS = {"en": "Hello", "fr": "Bonjour", "de": "Hallo"}


def greet(name: str, language: str = "en") -> str:
    """The greeting for a name; an unknown language is greeted in English."""
    return f"{GREETINGS.get(language, GREETINGS['en'])}, {name or 'world'}!"


def create_app() -> Flask:
    """A fresh application."""
    app = Flask(__name__)

    @app.get("/hello")
    def hello() -> ResponseReturnValue:
        language = request.accept_languages.best_match(list(GREETINGS)) or "en"
        return jsonify(message=greet(request.args.get("name", ""), language))

    @app.get("/health")
    def health() -> ResponseReturnValue:
        return "", 204

    return app


app = create_app()
