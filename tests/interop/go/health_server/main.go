// A grpc-go server with nothing but the health service and reflection, in plaintext or over TLS; see
// tests/interop/README.md.
// Usage: health_server ADDRESS SERVING|NOT_SERVING [CERTIFICATE KEY [CLIENT_CA]]
package main

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

func credentialsOf(arguments []string) grpc.ServerOption {
	pair, err := tls.LoadX509KeyPair(arguments[0], arguments[1])
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if len(arguments) > 2 {
		authority, err := os.ReadFile(arguments[2])
		if err != nil {
			log.Fatal(err)
		}
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(authority)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return grpc.Creds(credentials.NewTLS(config))
}

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var options []grpc.ServerOption
	if len(os.Args) > 4 {
		options = append(options, credentialsOf(os.Args[3:]))
	}
	server := grpc.NewServer(options...)
	checks := health.NewServer()
	checks.SetServingStatus("", healthpb.HealthCheckResponse_ServingStatus(
		healthpb.HealthCheckResponse_ServingStatus_value[os.Args[2]]))
	healthpb.RegisterHealthServer(server, checks)
	reflection.Register(server)
	log.Fatal(server.Serve(listener))
}
