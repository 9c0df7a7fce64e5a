// Command hello answers greetings over HTTP.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"time"
)

// Greeting is the answer to one request.
type Greeting struct {
	Message string `json:"message"`
}

// Greet makes the greeting for a name; nobody in particular is the world.
func Greet(name string) Greeting {
	if name == "" {
		name = "world"
	}
	return Greeting{Message: "Hello, " + name + "!"}
}

// Handler serves /hello and /health.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(Greet(r.URL.Query().Get("name"))); err != nil {
			log.Printf("cannot answer: %v", err)
		}
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{
		Addr:              ":" + port,
		Handler:           Handler(),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
