// telltale.test.Echo in Go on raw bytes; see tests/interop/README.md. Usage: echo_server ADDRESS
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"telltale.test/interop/raw"
)

var cancelled atomic.Int64

func echoMetadata(stream grpc.ServerStream) error {
	sent := metadata.MD{}
	if got, ok := metadata.FromIncomingContext(stream.Context()); ok {
		for key, values := range got {
			if strings.HasPrefix(key, "x-echo-") {
				sent[key] = values
			}
		}
	}
	stream.SetTrailer(metadata.Pairs("x-trailer", "end"))
	return stream.SendHeader(sent)
}

func receive(stream grpc.ServerStream) ([]byte, error) {
	var message []byte
	err := stream.RecvMsg(&message)
	return message, err
}

func unary(_ context.Context, stream grpc.ServerStream, request []byte) error {
	return stream.SendMsg(&request)
}

func serverStream(_ context.Context, stream grpc.ServerStream, request []byte) error {
	var count, size int
	if _, err := fmt.Sscanf(string(request), "%d:%d", &count, &size); err != nil {
		return err
	}
	for number := 0; number < count; number++ {
		message := bytes.Repeat([]byte{byte(number % 251)}, size)
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return nil
}

func clientStream(stream grpc.ServerStream) error {
	count, size := 0, 0
	for {
		message, err := receive(stream)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		count, size = count+1, size+len(message)
	}
	answer := []byte(fmt.Sprintf("%d:%d", count, size))
	return stream.SendMsg(&answer)
}

func bidi(stream grpc.ServerStream) error {
	for {
		message, err := receive(stream)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func slow(ctx context.Context, _ grpc.ServerStream, _ []byte) error {
	<-ctx.Done()
	cancelled.Add(1)
	return ctx.Err()
}

func seen(_ context.Context, stream grpc.ServerStream, _ []byte) error {
	answer := []byte(fmt.Sprint(cancelled.Load()))
	return stream.SendMsg(&answer)
}

func handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	name := strings.TrimPrefix(method, "/telltale.test.Echo/")
	if name != "Slow" {
		if err := echoMetadata(stream); err != nil {
			return err
		}
	}
	switch name {
	case "ClientStream":
		return clientStream(stream)
	case "Bidi":
		return bidi(stream)
	}
	request, err := receive(stream)
	if err != nil {
		return err
	}
	handlers := map[string]func(context.Context, grpc.ServerStream, []byte) error{
		"Unary": unary, "ServerStream": serverStream, "Slow": slow, "Seen": seen}
	if handler, ok := handlers[name]; ok {
		return handler(stream.Context(), stream, request)
	}
	return fmt.Errorf("no method %s", method)
}

func main() {
	network, address := "tcp", os.Args[1]
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw.Codec{}), grpc.UnknownServiceHandler(handle),
		grpc.MaxRecvMsgSize(raw.MaxMessage), grpc.MaxSendMsgSize(raw.MaxMessage))
	log.Fatal(server.Serve(listener))
}
