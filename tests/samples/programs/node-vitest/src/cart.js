/** What somebody wants to buy; prices in whole cents. */
export class Cart {
  #lines = new Map();

  add(article, cents, quantity = 1) {
    if (quantity < 1) throw new RangeError("at least one");
    const known = this.#lines.get(article) ?? { cents, quantity: 0 };
    this.#lines.set(article, { cents, quantity: known.quantity + quantity });
  }

  remove(article) {
    return this.#lines.delete(article);
  }

  total() {
    return [...this.#lines.values()].reduce((sum, line) => sum + line.cents * line.quantity, 0);
  }
}
