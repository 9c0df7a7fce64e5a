package com.example.library;

/** Prints the books of a small library. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    Library library = new Library();
    library.add(new Library.Book("978-0262033848", "Introduction to Algorithms", 2009));
    library.add(new Library.Book("978-0131103627", "The C Programming Language", 1988));
    library.available().forEach(book -> System.out.println(book.year() + " " + book.title()));
  }
}
