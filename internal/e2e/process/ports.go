package process

import (
	"fmt"
	"net"
)

// FreeAddrs returns n different addresses on the loopback interface that nobody listens on. Another process may take
// one before it is used, so a caller that cannot bind should ask again.
func FreeAddrs(n int) ([]string, error) {
	addrs := make([]string, 0, n)
	// All stay open until all are known: a port closed early would be handed out twice.
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}
