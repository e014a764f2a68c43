// Package raw has the codec that hands message bytes through: no generated code.
package raw

import (
	"fmt"

	"google.golang.org/grpc/encoding"
)

// MaxMessage is the limit for one message; the large scenario sends 4 MiB.
const MaxMessage = 16 << 20

// Codec passes *[]byte through as it is.
type Codec struct{}

var _ encoding.Codec = Codec{}

func (Codec) Name() string { return "proto" }

func (Codec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes: %T", v)
	}
	return *b, nil
}

func (Codec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("not bytes: %T", v)
	}
	*b = append([]byte(nil), data...)
	return nil
}
