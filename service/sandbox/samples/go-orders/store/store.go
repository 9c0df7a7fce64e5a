// Package store keeps orders in memory.
package store

import (
	"errors"
	"sort"
	"sync"
)

// ErrNotFound says that there is no order of that number.
var ErrNotFound = errors.New("no such order")

// Order is a quantity of one article.
type Order struct {
	ID       int    `json:"id"`
	Article  string `json:"article"`
	Quantity int    `json:"quantity"`
}

// Store is safe for several goroutines.
type Store struct {
	mu     sync.RWMutex
	last   int
	orders map[int]Order
}

// New makes an empty store.
func New() *Store {
	return &Store{orders: map[int]Order{}}
}

// Add keeps an order and gives it its number.
func (s *Store) Add(article string, quantity int) (Order, error) {
	if article == "" || quantity < 1 {
		return Order{}, errors.New("an order needs an article and a quantity of at least one")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	order := Order{ID: s.last, Article: article, Quantity: quantity}
	s.orders[order.ID] = order
	return order, nil
}

// Get finds an order by its number.
func (s *Store) Get(id int) (Order, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	order, ok := s.orders[id]
	if !ok {
		return Order{}, ErrNotFound
	}
	return order, nil
}

// All lists the orders by number.
func (s *Store) All() []Order {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Order, 0, len(s.orders))
	for _, order := range s.orders {
		all = append(all, order)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}
