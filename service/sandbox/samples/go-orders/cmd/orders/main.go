// Command orders takes orders over HTTP.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"

	"example.com/orders/store"
)

func handler(orders *store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			answer(w, http.StatusOK, orders.All())
		case http.MethodPost:
			var wanted store.Order
			if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			order, err := orders.Add(wanted.Article, wanted.Quantity)
			if err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
			answer(w, http.StatusCreated, order)
		default:
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
	})
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("cannot answer: %v", err)
	}
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{
		Addr:              ":" + port,
		Handler:           handler(store.New()),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
