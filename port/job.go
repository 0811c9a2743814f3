package port

// A job is what a worker does at a time: one request, or what waits of one
// stream in its order, or some unreliable messages.
type job struct {
	svc   *service
	call  *call
	in    *inbound
	batch *batch
	turn  *turn // the worker's own; if neither call nor in is set, what it handles
	at    int   // which of the batch is being handled
	owed  int   // bytes to give back to the peer
	more  bool  // in has more by now
}

func (j *job) run() {
	s := j.svc
	switch {
	case j.call != nil:
		j.call.run(s)
	case j.in != nil:
		j.runItems()
	default:
		j.runGrams()
	}
}

// runItems handles messages of one stream. Their bytes are given back to the
// peer as they are handled, a quarter of the first window at a time.
func (j *job) runItems() {
	in, s := j.in, j.svc
	if j.batch == nil {
		j.batch = in.take()
		s.bytesIn.Add(uint64(j.batch.bytes))
	}
	l, b := in.link, j.batch
	m := &Message{From: l.peer, Port: s.number, Mode: Send}
	for ; j.at < len(b.items); j.at++ {
		m.Data = b.data(j.at)
		j.handle(l, m)
		j.handled()
	}
	l.giveBack(&in.window, in.id, j.owed)
	b.recycle()
	j.batch, j.more = nil, in.more()
}

// handled gives back what the message held.
func (j *job) handled() {
	it, l := &j.batch.items[j.at], j.in.link
	l.mux.budget.release(l, it.held)
	it.large.recycle()
	if j.owed += it.cost; j.owed >= firstSendWindow/4 {
		l.giveBack(&j.in.window, j.in.id, j.owed)
		j.owed = 0
	}
}

func (j *job) runGrams() {
	m := &Message{Port: j.svc.number, Mode: Unreliable}
	for g, ok := j.turn.claim(); ok; g, ok = j.turn.claim() {
		m.Data, m.From = g.data, g.link.peer
		j.svc.bytesIn.Add(uint64(len(m.Data)))
		j.handle(g.link, m)
	}
}

// handle calls the handler for a message that has no answer.
func (j *job) handle(l *link, m *Message) {
	s := j.svc
	if s.gone.Load() {
		s.drops.Add(1)
		return
	}
	if _, err := s.call(l.ctx, m, timed(s.calls.Add(1)-1)); err != nil {
		s.errors.Add(1)
		s.mux.log().Debug("port handler failed", "port", s.number, "peer", l.who, "err", err)
	}
}

// exited ends what the handler was doing that called runtime.Goexit. The rest of
// the job is for another worker.
func (j *job) exited() {
	j.svc.panic(errExited)
	switch {
	case j.call != nil:
		j.call.answer(j.svc, nil, errExited)
		j.call.end(errExited)
		j.call.release()
		j.call = nil
	case j.in != nil:
		j.handled()
		j.at++
	}
}
