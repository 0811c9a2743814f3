package port

// A loopback is two links in one process: near asks, far answers.
type loopback struct {
	near, far *link
	a, b      *memory
}

// selfLink gives the link to ourselves and counts its users.
func (m *Mux) selfLink() (*link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	m.selfRefs++
	if m.self == nil {
		a, b := newMemory()
		lo := &loopback{near: newLink(m, m.Self, a, nil), far: newLink(m, m.Self, b, nil), a: a, b: b}
		m.self = lo
		m.all[lo.near], m.all[lo.far] = struct{}{}, struct{}{}
		m.pool.use(2)
		m.loops.Go(a.run)
		m.loops.Go(b.run)
		lo.near.start()
		lo.far.start()
	}
	return m.self.near, nil
}

// leaveSelf ends the loopback with its last user.
func (m *Mux) leaveSelf() {
	m.mu.Lock()
	lo := m.self
	m.selfRefs--
	if m.selfRefs > 0 || lo == nil {
		m.mu.Unlock()
		return
	}
	m.self = nil
	delete(m.all, lo.near)
	delete(m.all, lo.far)
	m.mu.Unlock()
	lo.a.close()
	lo.b.close()
	lo.near.fail(ErrClosed)
	lo.far.fail(ErrClosed)
	lo.near.cleanUp()
	lo.far.cleanUp()
	m.pool.use(-2)
}
