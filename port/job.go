package port

// A job is what a worker does at a time: one request, or some messages of one
// stream in their order, or some unreliable ones.
type job struct {
	svc   *service
	call  *call
	in    *inbound
	items []item
	grams []gram
	at    int // which of items or grams is being handled
	owed  int // bytes to give back to the peer
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
	l := in.link
	m := &Message{From: l.peer, Port: s.number, Mode: Send}
	for ; j.at < len(j.items); j.at++ {
		m.Data = j.items[j.at].data
		j.handle(l, m)
		j.handled()
	}
	l.giveBack(&in.window, in.id, j.owed)
}

// handled gives back what the message held.
func (j *job) handled() {
	it, l := &j.items[j.at], j.in.link
	l.mux.budget.release(l, it.held)
	if j.owed += it.cost; j.owed >= firstSendWindow/4 {
		l.giveBack(&j.in.window, j.in.id, j.owed)
		j.owed = 0
	}
}

func (j *job) runGrams() {
	m := &Message{Port: j.svc.number, Mode: Unreliable}
	for ; j.at < len(j.grams); j.at++ {
		g := &j.grams[j.at]
		m.Data, m.From = g.data, g.link.peer
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
	if _, err := s.call(l.ctx, m); err != nil {
		s.errors.Add(1)
		s.mux.log().Debug("port handler failed", "port", s.number, "peer", l.peer.ID.Short(), "err", err)
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
	default:
		j.at++
	}
}
