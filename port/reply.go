package port

// onReply takes a whole reply: one copy, which belongs to the caller.
func (l *link) onReply(f *frame) error {
	if len(f.body) <= small {
		l.heard(nil)
	} else if err := l.takeReply(f); err != nil {
		return err
	}
	s := l.slots.find(f.id)
	if s == nil {
		return nil // the answer to a call long gone
	}
	s.part = nil
	reply := make([]byte, len(f.body))
	copy(reply, f.body)
	l.slots.answer(s, reply, nil)
	return nil
}

// takeReply charges the fragment to its stream and gives its bytes back at once,
// for they are copied.
func (l *link) takeReply(f *frame) error {
	l.mu.Lock()
	st := l.streams[f.stream]
	l.mu.Unlock()
	if st == nil {
		return nil // we have left it
	}
	l.heard(&st.window)
	if !st.window.take(len(f.body)) {
		return &breach{"more of a reply than it has credit for"}
	}
	l.giveBack(&st.window, st.id, len(f.body))
	return nil
}

func (l *link) onReplyFirst(f *frame) error {
	if err := l.takeReply(f); err != nil {
		return err
	}
	s := l.slots.find(f.id)
	if s == nil {
		return nil
	}
	if int64(f.total) > int64(l.mux.limits().maxMessage) {
		return &breach{"a reply longer than we said we take"}
	}
	s.part = &assembly{id: f.id, total: int(f.total), exact: true}
	return l.addReply(s, f.body)
}

func (l *link) onReplyMore(f *frame) error {
	if err := l.takeReply(f); err != nil {
		return err
	}
	s := l.slots.find(f.id)
	if s == nil {
		return nil
	}
	if s.part == nil || s.part.id != f.id {
		return &breach{"more of a reply that has not begun"}
	}
	return l.addReply(s, f.body)
}

func (l *link) addReply(s *slot, p []byte) error {
	a := s.part
	a.drop = a.drop || s.state.Load() == slotLeft // the peer will stop soon
	if !a.add(p) {
		return &breach{"more of a reply than it claimed"}
	}
	if a.done() {
		s.part = nil
		var reply []byte
		if !a.drop {
			reply = a.buf.b
		}
		l.slots.answer(s, reply, nil)
	}
	return nil
}

// onError takes the answer to a request that has no reply.
func (l *link) onError(f *frame) {
	s := l.slots.find(f.id)
	if s == nil {
		return
	}
	s.part = nil
	l.slots.answer(s, nil, refusal(f.code, f.detail, string(f.body)))
}

func (l *link) onCredit(f *frame) {
	l.mu.Lock()
	s := l.streams[f.id]
	l.mu.Unlock()
	if s != nil {
		l.addCredit(&s.flow, int(min(f.window, 1<<30)))
	}
}

func (l *link) onReplyCredit(f *frame) {
	if in := l.inbounds[f.id]; in != nil {
		l.addCredit(&in.flow, int(min(f.window, 1<<30)))
	}
}
