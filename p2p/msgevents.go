package p2p

// msgRoom is how many sums of messages may wait for a reader of Events. When
// there is no room the oldest is dropped, and its messages count as missed.
const msgRoom = 1024

// A msgKey is what messages have in common that are added up.
type msgKey struct {
	peer *Peer
	kind EventKind
	cap  Cap
	code uint64
}

// A tally adds up the messages that a reader has not heard of.
type tally struct {
	sums  map[msgKey]Event
	order []msgKey // of sums, oldest first
}

// add counts e, which takes this place if there is no sum of its kind yet. It
// returns how many messages were dropped for it.
func (t *tally) add(e Event, place uint64) (dropped int) {
	key := msgKey{e.Peer, e.Kind, e.Cap, e.Code}
	sum, ok := t.sums[key]
	if !ok {
		if len(t.order) >= msgRoom {
			oldest, _ := t.first()
			dropped = int(oldest.Count)
			t.pop()
		}
		sum = e
		sum.Count, sum.Bytes, sum.place = 0, 0, place
		t.order = append(t.order, key)
	}
	sum.Count += e.Count
	sum.Bytes += e.Bytes
	t.sums[key] = sum
	return dropped
}

func (t *tally) first() (Event, bool) {
	if len(t.order) == 0 {
		return Event{}, false
	}
	return t.sums[t.order[0]], true
}

func (t *tally) pop() {
	delete(t.sums, t.order[0])
	t.order = t.order[1:]
}

// told tells the readers of messages that went over one protocol.
func (c *core) told(p *Peer, kind EventKind, proto Cap, code uint64, size int) {
	if c.listening.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := Event{Kind: kind, Peer: p, Cap: proto, Code: code, Count: 1, Bytes: uint64(size)}
	for _, r := range c.feed.readers {
		r.last++
		r.missed += r.msgs.add(e, r.last)
		r.ring()
	}
}

// watch gives rw with its messages told to the readers of Events. It offers what
// rw does.
func (c *core) watch(p *Peer, proto Cap, rw MsgReadWriter) MsgReadWriter {
	w := watched{rw, func(kind EventKind, code uint64, size int) { c.told(p, kind, proto, code, size) }}
	d, direct := rw.(Direct)
	g, grams := rw.(Datagrams)
	switch {
	case direct && grams:
		return struct {
			watched
			watchedDirect
			Datagrams
		}{w, watchedDirect{d, w.tell}, g}
	case direct:
		return struct {
			watched
			watchedDirect
		}{w, watchedDirect{d, w.tell}}
	case grams:
		return struct {
			watched
			Datagrams
		}{w, g}
	}
	return w
}

type watched struct {
	rw   MsgReadWriter
	tell func(kind EventKind, code uint64, size int)
}

func (w watched) ReadMsg() (Msg, error) {
	m, err := w.rw.ReadMsg()
	if err == nil {
		w.tell(MsgReceived, m.Code, len(m.Payload))
	}
	return m, err
}

func (w watched) WriteMsg(m Msg) error {
	err := w.rw.WriteMsg(m)
	if err == nil {
		w.tell(MsgSent, m.Code, len(m.Payload))
	}
	return err
}

type watchedDirect struct {
	Direct
	tell func(kind EventKind, code uint64, size int)
}

func (w watchedDirect) Attach(deliver func([]Msg), fill func(func(uint64, []byte, []byte) bool)) {
	w.Direct.Attach(func(batch []Msg) {
		for _, m := range batch {
			w.tell(MsgReceived, m.Code, len(m.Payload))
		}
		deliver(batch)
	}, func(put func(uint64, []byte, []byte) bool) {
		fill(func(code uint64, head, body []byte) bool {
			ok := put(code, head, body)
			if ok {
				w.tell(MsgSent, code, len(head)+len(body))
			}
			return ok
		})
	})
}

func (w watchedDirect) Post(code uint64, head, body []byte) error {
	err := w.Direct.Post(code, head, body)
	if err == nil {
		w.tell(MsgSent, code, len(head)+len(body))
	}
	return err
}

func (w watchedDirect) TryPost(code uint64, head, body []byte) bool {
	ok := w.Direct.TryPost(code, head, body)
	if ok {
		w.tell(MsgSent, code, len(head)+len(body))
	}
	return ok
}
