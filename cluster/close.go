package cluster

import (
	"context"
	"time"
)

// Done is closed when the node has ended, by Close or because it was superseded.
// Err then says which.
func (n *Node) Done() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.doneLocked()
}

func (n *Node) doneLocked() chan struct{} {
	if n.done == nil {
		n.done = make(chan struct{})
		if n.ended {
			close(n.done)
		}
	}
	return n.done
}

// Err says why the node has ended or is about to: ErrClosed, or ErrSuperseded.
// It is nil before.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Close leaves the cluster and ends everything, in this order: it tells the
// members that we leave (for at most two seconds), ends its own loops, ends the
// Server (which stops listening, ends the gossip and says goodbye on every
// session), fails the calls in flight, waits for the handlers, and stops to watch
// the files. It may be called at any time, more than once, but not from within a
// handler. To let calls finish first, call Drain.
func (n *Node) Close() error {
	n.end(ErrClosed)
	<-n.Done()
	return nil
}

// end ends the node, the first time it is called, and says why. Only that call
// waits.
func (n *Node) end(why error) {
	n.mu.Lock()
	if n.state == ending {
		n.mu.Unlock()
		return
	}
	started := n.state == starting
	n.state, n.err = ending, why
	ready := n.ready
	n.mu.Unlock()
	if started {
		<-ready
	}
	if r := n.latest(); r != nil {
		r.close()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	if n.done != nil {
		close(n.done)
	}
}

// close undoes begin. The gossip's own Close says goodbye, unless we are
// superseded: then the newer run is a member and must stay one.
func (r *run) close() {
	began := time.Now()
	r.stop()
	r.server.Close()
	if err := r.mux.Close(); err != nil {
		r.log.Warn("a handler does not end", "err", err)
	}
	r.loops.Wait()
	if r.files != nil {
		r.files.Close()
	}
	r.log.Info("closed", "took", time.Since(began))
}

// giveWay ends the node when a newer run with our key is in the cluster.
func (r *run) giveWay() {
	select {
	case <-r.gossip.Superseded():
		go r.node.end(ErrSuperseded) // it waits for us; Close waits for it
	case <-r.ctx.Done():
	}
}

// Leave tells the members that we leave, and returns when those next to us have
// been told, or with ctx's error. From then on we are shown as left; ports go on
// until Close.
func (n *Node) Leave(ctx context.Context) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	return r.gossip.Leave(ctx)
}

// Drain refuses new calls with port.ErrDraining and returns when those that have
// begun are answered, or with ctx's error. Call it before Close to go without a
// failed call.
func (n *Node) Drain(ctx context.Context) error {
	r, err := n.running()
	if err != nil {
		return err
	}
	return r.mux.Drain(ctx)
}
