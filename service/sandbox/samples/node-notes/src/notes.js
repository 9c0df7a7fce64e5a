/** Notes in memory, numbered from one. */
export class Notes {
  #notes = new Map();
  #last = 0;

  /** Keeps a note and answers it with its number. */
  add(text) {
    if (typeof text !== "string" || text.trim() === "") {
      throw new TypeError("a note needs a text");
    }
    const note = { id: ++this.#last, text: text.trim() };
    this.#notes.set(note.id, note);
    return note;
  }

  /** All notes, oldest first. */
  all() {
    return [...this.#notes.values()];
  }

  /** Forgets a note; whether there was one. */
  remove(id) {
    return this.#notes.delete(id);
  }
}
