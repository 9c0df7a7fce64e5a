package com.example.bank;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.Test;

class AccountTest {
  @Test
  void moneyMovesWhollyOrNotAtAll() {
    Account ada = new Account("Ada");
    Account bob = new Account("Bob");
    ada.deposit(500);
    ada.transfer(200, bob);
    assertEquals(300, ada.balance());
    assertEquals(200, bob.balance());
    assertThrows(IllegalArgumentException.class, () -> ada.transfer(301, bob));
    assertEquals(300, ada.balance());
  }

  @Test
  void anAmountIsPositive() {
    assertThrows(IllegalArgumentException.class, () -> new Account("Ada").deposit(0));
  }

  @Test
  void theBalanceIsShownOverHttp() throws Exception {
    Account ada = new Account("Ada");
    ada.deposit(7);
    HttpServer server = Main.serve(0, ada);
    server.start();
    try {
      URI uri = URI.create("http://localhost:" + server.getAddress().getPort() + "/balance");
      HttpRequest request = HttpRequest.newBuilder(uri).build();
      String body = HttpClient.newHttpClient().send(request, BodyHandlers.ofString()).body();
      assertTrue(body.contains("\"cents\":7"), body);
    } finally {
      server.stop(0);
    }
  }
}
