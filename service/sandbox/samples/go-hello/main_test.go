package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGreetNamesThePerson(t *testing.T) {
	if got := Greet("Ada").Message; got != "Hello, Ada!" {
		t.Fatalf("got %q", got)
	}
}

func TestHelloWithoutNameGreetsTheWorld(t *testing.T) {
	recorder := httptest.NewRecorder()
	Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/hello", nil))
	var greeting Greeting
	if err := json.NewDecoder(recorder.Body).Decode(&greeting); err != nil {
		t.Fatal(err)
	}
	if greeting.Message != "Hello, world!" {
		t.Fatalf("got %q", greeting.Message)
	}
}

func TestHealthHasNoContent(t *testing.T) {
	recorder := httptest.NewRecorder()
	Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/health", nil))
	if recorder.Code != http.StatusNoContent {
		t.Fatalf("got %d", recorder.Code)
	}
}
