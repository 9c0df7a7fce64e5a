/** What is in a basket, and what it costs, in cents. */
export class Basket {
  #lines = new Map();

  add(article, cents, quantity = 1) {
    const known = this.#lines.get(article);
    this.#lines.set(article, { cents, quantity: quantity + (known?.quantity ?? 0) });
  }

  total() {
    let sum = 0;
    for (const { cents, quantity } of this.#lines.values()) sum += cents * quantity;
    return sum;
  }
}
