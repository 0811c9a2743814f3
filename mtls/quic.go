package mtls

import (
	"context"
	"errors"
	"net/netip"
)

type attachName [16]byte
type socket struct{}
type datagrams struct{}

const attachSize = 48

func (d *datagrams) init(s *session) {}
func (d *datagrams) stop()           {}

func (t *Transport) tryQUIC(ctx context.Context, cfg *config, addr netip.AddrPort, w want) (*session, error) {
	return nil, errors.New("QUIC is off")
}
