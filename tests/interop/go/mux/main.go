// The metrics port of a usual Go service: net/http with a ServeMux that knows /metrics. Usage: mux ADDRESS
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprint(w, "# HELP up Whether this runs.\n# TYPE up gauge\nup 1\n")
	})
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}
