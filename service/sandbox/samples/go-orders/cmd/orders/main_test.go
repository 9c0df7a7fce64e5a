package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/orders/store"
)

func TestPostThenList(t *testing.T) {
	h := handler(store.New())
	recorder := httptest.NewRecorder()
	body := strings.NewReader(`{"article":"bolt","quantity":2}`)
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/orders", body))
	if recorder.Code != http.StatusCreated {
		t.Fatalf("got %d", recorder.Code)
	}
	recorder = httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/orders", nil))
	if !strings.Contains(recorder.Body.String(), `"article":"bolt"`) {
		t.Fatalf("got %s", recorder.Body)
	}
}

func TestABadOrderIsUnprocessable(t *testing.T) {
	recorder := httptest.NewRecorder()
	body := strings.NewReader(`{"article":"","quantity":0}`)
	handler(store.New()).ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/orders", body))
	if recorder.Code != http.StatusUnprocessableEntity {
		t.Fatalf("got %d", recorder.Code)
	}
}
