package store

import (
	"errors"
	"sync"
	"testing"
)

func TestOrdersAreNumberedFromOne(t *testing.T) {
	s := New()
	first, err := s.Add("bolt", 3)
	if err != nil || first.ID != 1 {
		t.Fatalf("got %v, %v", first, err)
	}
}

func TestAnOrderWithoutArticleIsRefused(t *testing.T) {
	if _, err := New().Add("", 1); err == nil {
		t.Fatal("want an error")
	}
}

func TestUnknownOrder(t *testing.T) {
	if _, err := New().Get(7); !errors.Is(err, ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestManyWritersLoseNothing(t *testing.T) {
	s := New()
	var wait sync.WaitGroup
	for i := 0; i < 50; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if _, err := s.Add("nut", 1); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	if got := len(s.All()); got != 50 {
		t.Fatalf("got %d orders", got)
	}
}
