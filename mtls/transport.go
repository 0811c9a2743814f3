package mtls

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kith/cert"
	"kith/node"
	"kith/p2p"
)

// What a zero field of a Transport means.
const (
	defaultDial       = 5 * time.Second
	defaultHandshake  = 5 * time.Second
	defaultTCPWait    = 2 * time.Second
	defaultPingEvery  = 2 * time.Second
	defaultDeadAfter  = 7 * time.Second
	defaultMaxMessage = 16 << 20
	defaultMaxWindow  = 1 << 20
)

// A Transport is who we are in a cluster. Its fields must be set before it is
// used and not changed after. It needs no Close: what it opens belongs to a
// listener or to a session. It is safe for concurrent use.
type Transport struct {
	// Credentials are our certificate and whom we believe. They are asked for at
	// each handshake, so a *cert.Files rotates them under way; the key must stay
	// the same. It must be set.
	Credentials cert.Source
	// SeedName is the name for which the certificate must be of whoever answers
	// a dial without an id. Empty takes everybody with a certificate of ours.
	SeedName string
	// NoQUIC leaves UDP alone: no datagrams, and no way round a shut TCP.
	NoQUIC bool
	// NoTCP has QUIC carry everything, without a try on TCP first. Together with
	// NoQUIC it leaves nothing, which is an error.
	NoTCP bool
	// Logger gets what there is to say. Nil means slog.Default.
	Logger *slog.Logger
	// DialTimeout bounds Dial. Zero means 5 seconds.
	DialTimeout time.Duration
	// TCPWait is how long one address may take to answer on TCP before QUIC is
	// tried. Zero means 2 seconds.
	TCPWait time.Duration
	// HandshakeTimeout bounds each of the TLS handshake and the hello. Zero means
	// 5 seconds.
	HandshakeTimeout time.Duration
	// PingEvery is how long a peer may be silent before it is pinged. Zero means
	// 2 seconds.
	PingEvery time.Duration
	// DeadAfter is how long a peer may be silent at all. Zero means 7 seconds.
	DeadAfter time.Duration
	// MaxMessage is the longest message that WriteMsg sends and that is taken, in
	// bytes. Zero means 16 MiB; it is at most 1 GiB.
	MaxMessage int
	// MaxWindow is how far the window of a channel may grow, in bytes: what a
	// protocol that does not read may cost us. Zero means 1 MiB; the window begins
	// with 256 KiB.
	MaxWindow int

	mu       sync.Mutex              // guards what follows; never held while waiting
	sessions map[attachName]*session // accepted on TCP, for their carriers of datagrams
	sockets  []*socket               // open while somebody uses them
}

var _ p2p.Transport = (*Transport)(nil)

var (
	errNoCredentials = errors.New("mtls: no Credentials")
	errNoCarrier     = errors.New("mtls: NoTCP and NoQUIC leave nothing")
	errNotLoaded     = errors.New("mtls: Credentials not loaded; was cert.Files started?")
)

// config is a copy of the fields with the defaults filled in.
type config struct {
	credentials cert.Source
	seedName    string
	log         *slog.Logger
	noQUIC      bool
	noTCP       bool
	dial        time.Duration
	tcpWait     time.Duration
	handshake   time.Duration
	pingEvery   time.Duration
	deadAfter   time.Duration
	maxMessage  int
	maxWindow   int
}

func (t *Transport) config() (*config, error) {
	if t.Credentials == nil {
		return nil, errNoCredentials
	}
	if t.Credentials.Current() == nil {
		return nil, errNotLoaded
	}
	if t.NoTCP && t.NoQUIC {
		return nil, errNoCarrier
	}
	c := &config{
		credentials: t.Credentials,
		seedName:    t.SeedName,
		log:         t.Logger,
		noQUIC:      t.NoQUIC,
		noTCP:       t.NoTCP,
		dial:        cmp.Or(t.DialTimeout, defaultDial),
		tcpWait:     cmp.Or(t.TCPWait, defaultTCPWait),
		handshake:   cmp.Or(t.HandshakeTimeout, defaultHandshake),
		pingEvery:   cmp.Or(t.PingEvery, defaultPingEvery),
		deadAfter:   cmp.Or(t.DeadAfter, defaultDeadAfter),
		maxMessage:  min(cmp.Or(t.MaxMessage, defaultMaxMessage), 1<<30),
		maxWindow:   max(cmp.Or(t.MaxWindow, defaultMaxWindow), firstWindow),
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c, nil
}

// ID is the key of our certificate. It is zero while there are no credentials.
func (t *Transport) ID() node.ID {
	if t.Credentials == nil {
		return node.ID{}
	}
	if now := t.Credentials.Current(); now != nil {
		return now.ID
	}
	return node.ID{}
}
