package com.example.library;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LibraryTest {
  private final Library library = new Library();

  @BeforeEach
  void shelve() {
    library.add(new Library.Book("2", "Newer", 2009));
    library.add(new Library.Book("1", "Older", 1988));
  }

  @Test
  void theOldestBookComesFirst() {
    List<String> titles = library.available().stream().map(Library.Book::title).toList();
    assertEquals(List.of("Older", "Newer"), titles);
  }

  @Test
  void aLentBookIsNotAvailable() {
    library.lend("1", "Ada");
    assertEquals(Optional.of("Ada"), library.reader("1"));
    assertEquals(1, library.available().size());
  }

  @Test
  void aBookIsLentOnce() {
    library.lend("1", "Ada");
    assertThrows(IllegalStateException.class, () -> library.lend("1", "Bob"));
    library.giveBack("1");
    library.lend("1", "Bob");
    assertEquals(Optional.of("Bob"), library.reader("1"));
  }

  @Test
  void anUnknownBookCannotBeLent() {
    assertThrows(IllegalArgumentException.class, () -> library.lend("9", "Ada"));
  }
}
