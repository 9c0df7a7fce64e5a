package com.example.library;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Books and who has them. */
public final class Library {
  /** A book by its number. */
  public record Book(String isbn, String title, int year) {}

  private final Map<String, Book> books = new HashMap<>();
  private final Map<String, String> lent = new HashMap<>();

  public void add(Book book) {
    books.put(book.isbn(), book);
  }

  /** Lends a book that is here. */
  public void lend(String isbn, String reader) {
    if (!books.containsKey(isbn)) {
      throw new IllegalArgumentException("no such book: " + isbn);
    }
    if (lent.putIfAbsent(isbn, reader) != null) {
      throw new IllegalStateException("already lent: " + isbn);
    }
  }

  public void giveBack(String isbn) {
    lent.remove(isbn);
  }

  public Optional<String> reader(String isbn) {
    return Optional.ofNullable(lent.get(isbn));
  }

  /** Books that are here, oldest first. */
  public List<Book> available() {
    List<Book> here = new ArrayList<>(books.values());
    here.removeIf(book -> lent.containsKey(book.isbn()));
    here.sort(Comparator.comparingInt(Book::year).thenComparing(Book::title));
    return here;
  }
}
