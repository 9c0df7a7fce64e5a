"""The Flask application: `flask --app inventory.app run`."""

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from inventory.stock import OutOfStock, Stock


def create_app() -> Flask:
    """A fresh application with empty shelves."""
    app = Flask(__name__)
    stock = Stock()

    @app.get("/articles/<article>")
    def show(article: str) -> ResponseReturnValue:
        return jsonify(article=article, count=stock.count(article))

    @app.post("/articles/<article>/put")
    def put(article: str) -> ResponseReturnValue:
        return jsonify(count=stock.put(article, int(request.get_json()["quantity"])))

    @app.post("/articles/<article>/take")
    def take(article: str) -> ResponseReturnValue:
        try:
            return jsonify(count=stock.take(article, int(request.get_json()["quantity"])))
        except OutOfStock:
            return jsonify(error=f"not enough of {article}"), 409

    return app


app = create_app()
