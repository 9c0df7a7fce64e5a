/** One side of a booking: an account and whole cents, negative where money leaves. */
export interface Entry {
  readonly account: string;
  readonly cents: number;
}

/** A booking whose entries did not sum to zero. */
export class Unbalanced extends Error {
  constructor(readonly difference: number) {
    super(`the entries differ by ${difference} cents`);
  }
}

/** Double-entry bookkeeping in memory. */
export class Ledger {
  readonly #balances = new Map<string, number>();

  /** Books entries together, or none of them. */
  book(entries: readonly Entry[]): void {
    const difference = entries.reduce((sum, entry) => sum + entry.cents, 0);
    if (difference !== 0) {
      throw new Unbalanced(difference);
    }
    for (const { account, cents } of entries) {
      this.#balances.set(account, this.balance(account) + cents);
    }
  }

  balance(account: string): number {
    return this.#balances.get(account) ?? 0;
  }
}
