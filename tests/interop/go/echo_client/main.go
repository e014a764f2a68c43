// Every kind of call of telltale.test.Echo; one JSON line each. Usage: echo_client ADDRESS [SCENARIO…]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"telltale.test/interop/raw"
)

const (
	service  = "/telltale.test.Echo/"
	patience = 20 * time.Second
)

var streaming = &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}

type result map[string]any

type scenario struct {
	name string
	run  func(*grpc.ClientConn) (result, error)
}

func plain(run func(*grpc.ClientConn) error) func(*grpc.ClientConn) (result, error) {
	return func(connection *grpc.ClientConn) (result, error) { return nil, run(connection) }
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

func unaryCall(connection *grpc.ClientConn, method string, payload []byte, options ...grpc.CallOption) ([]byte, error) {
	ctx, cancel := limited()
	defer cancel()
	var answer []byte
	err := connection.Invoke(ctx, service+method, &payload, &answer, options...)
	return answer, err
}

// exchange sends every message, closes its side, and reads every answer.
func exchange(connection *grpc.ClientConn, method string, messages [][]byte) ([][]byte, error) {
	ctx, cancel := limited()
	defer cancel()
	stream, err := connection.NewStream(ctx, streaming, service+method)
	if err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() {
		for _, message := range messages {
			if err := stream.SendMsg(&message); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	var answers [][]byte
	for {
		var answer []byte
		err := stream.RecvMsg(&answer)
		if err == io.EOF {
			return answers, <-sent
		}
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
}

func allBytes(times int) []byte {
	var one [256]byte
	for n := range one {
		one[n] = byte(n)
	}
	return bytes.Repeat(one[:], times)
}

func unary(connection *grpc.ClientConn) error {
	for _, payload := range [][]byte{nil, []byte("hello"), allBytes(4)} {
		answer, err := unaryCall(connection, "Unary", payload)
		if err != nil {
			return err
		}
		if !bytes.Equal(answer, payload) {
			return errors.New("another payload came back")
		}
	}
	return nil
}

func checkStream(connection *grpc.ClientConn, count, size int) error {
	answers, err := exchange(connection, "ServerStream", [][]byte{[]byte(fmt.Sprintf("%d:%d", count, size))})
	if err != nil {
		return err
	}
	if len(answers) != count {
		return fmt.Errorf("%d messages, not %d", len(answers), count)
	}
	for number, answer := range answers {
		if !bytes.Equal(answer, bytes.Repeat([]byte{byte(number % 251)}, size)) {
			return errors.New("messages differ or changed order")
		}
	}
	return nil
}

func checkUpload(connection *grpc.ClientConn, messages [][]byte, expected string) error {
	answers, err := exchange(connection, "ClientStream", messages)
	if err != nil {
		return err
	}
	if len(answers) != 1 || string(answers[0]) != expected {
		return fmt.Errorf("got %q", answers)
	}
	return nil
}

func serverStream(connection *grpc.ClientConn) error { return checkStream(connection, 50, 1000) }

func clientStream(connection *grpc.ClientConn) error {
	var messages [][]byte
	for n := range 100 {
		messages = append(messages, bytes.Repeat([]byte("x"), n))
	}
	return checkUpload(connection, messages, "100:4950")
}

func bidi(connection *grpc.ClientConn) error {
	var messages [][]byte
	for n := range 40 {
		messages = append(messages, bytes.Repeat([]byte(fmt.Sprint("message ", n)), n))
	}
	answers, err := exchange(connection, "Bidi", messages)
	if err != nil {
		return err
	}
	if len(answers) != len(messages) {
		return fmt.Errorf("%d answers", len(answers))
	}
	for n := range messages {
		if !bytes.Equal(answers[n], messages[n]) {
			return errors.New("the echo differs")
		}
	}
	return nil
}

func large(connection *grpc.ClientConn) error {
	payload := allBytes(4 << 12)
	answer, err := unaryCall(connection, "Unary", payload)
	if err != nil {
		return err
	}
	if !bytes.Equal(answer, payload) {
		return errors.New("4 MiB came back changed")
	}
	if err := checkStream(connection, 3, 4<<20); err != nil {
		return err
	}
	return checkUpload(connection, [][]byte{payload, payload, payload}, "3:12582912")
}

func cancelledCalls(connection *grpc.ClientConn) (int, error) {
	answer, err := unaryCall(connection, "Seen", nil)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(answer))
}

func slowEnds(connection *grpc.ClientConn, ctx context.Context, expected codes.Code) error {
	before, err := cancelledCalls(connection)
	if err != nil {
		return err
	}
	var request, answer []byte
	err = connection.Invoke(ctx, service+"Slow", &request, &answer)
	if status.Code(err) != expected {
		return fmt.Errorf("got %v", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		now, err := cancelledCalls(connection)
		if err != nil {
			return err
		}
		if now > before {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("the server never saw the call end")
		}
	}
}

func deadline(connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	return slowEnds(connection, ctx, codes.DeadlineExceeded)
}

func cancellation(connection *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	return slowEnds(connection, ctx, codes.Canceled)
}

func sendMetadata(connection *grpc.ClientConn) error {
	binary := string(allBytes(1))
	ctx, cancel := limited()
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-echo-text", "some text", "x-echo-many", "a", "x-echo-many", "b",
		"x-echo-data-bin", binary)
	var request, answer []byte
	var header, trailer metadata.MD
	if err := connection.Invoke(ctx, service+"Unary", &request, &answer, grpc.Header(&header),
		grpc.Trailer(&trailer)); err != nil {
		return err
	}
	// Two values of one key may come back as one: the comma joins them by definition.
	for key, expected := range map[string]string{"x-echo-text": "some text", "x-echo-many": "a, b",
		"x-echo-data-bin": binary} {
		if got := strings.Join(header.Get(key), ", "); got != expected {
			return fmt.Errorf("%s came back as %q", key, got)
		}
	}
	if fmt.Sprint(trailer.Get("x-trailer")) != "[end]" {
		return errors.New("the trailer is missing")
	}
	return nil
}

// call makes one call and says what the stack says of it; for upstreams that are not gRPC.
func call(connection *grpc.ClientConn) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request := []byte("hello")
	var answer []byte
	err := connection.Invoke(ctx, service+"Unary", &request, &answer)
	return result{"code": status.Code(err).String(), "text": status.Convert(err).Message()}, nil
}

// recovers calls until one succeeds; tells the first failure at once, so that somebody can mend its cause.
func recovers(connection *grpc.ClientConn) (result, error) {
	end := time.Now().Add(patience)
	for failures := 0; ; failures++ {
		told, err := call(connection)
		if err != nil {
			return nil, err
		}
		if told["code"] == "OK" {
			return result{"failures": failures}, nil
		}
		if failures == 0 {
			line, _ := json.Marshal(result{"scenario": "failing", "ok": true, "code": told["code"], "text": told["text"]})
			fmt.Println(string(line))
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("still %v", told)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// onDemand are scenarios that run only when they are named.
var onDemand = map[string]bool{"call": true, "recover": true}

var scenarios = []scenario{
	{"unary", plain(unary)}, {"server_stream", plain(serverStream)}, {"client_stream", plain(clientStream)},
	{"bidi", plain(bidi)}, {"large", plain(large)}, {"deadline", plain(deadline)},
	{"cancellation", plain(cancellation)}, {"metadata", plain(sendMetadata)}, {"call", call}, {"recover", recovers},
}

func wanted(name string) bool {
	for _, argument := range os.Args[2:] {
		if argument == name {
			return true
		}
	}
	return len(os.Args) == 2 && !onDemand[name]
}

// transport is TLS that trusts the certificates of the file ECHO_CA, or plain text without that variable.
func transport() credentials.TransportCredentials {
	file := os.Getenv("ECHO_CA")
	if file == "" {
		return insecure.NewCredentials()
	}
	chosen, err := credentials.NewClientTLSFromFile(file, "")
	if err != nil {
		log.Fatal(err)
	}
	return chosen
}

func main() {
	connection, err := grpc.NewClient("passthrough:///"+os.Args[1],
		grpc.WithTransportCredentials(transport()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw.Codec{}), grpc.MaxCallRecvMsgSize(raw.MaxMessage),
			grpc.MaxCallSendMsgSize(raw.MaxMessage)))
	if err != nil {
		log.Fatal(err)
	}
	failed := false
	for _, one := range scenarios {
		if !wanted(one.name) {
			continue
		}
		line, err := one.run(connection)
		if line == nil {
			line = result{}
		}
		line["scenario"], line["ok"] = one.name, err == nil
		if err != nil {
			line["text"], failed = err.Error(), true
		}
		text, _ := json.Marshal(line)
		fmt.Println(string(text))
	}
	connection.Close()
	if failed {
		os.Exit(1)
	}
}
