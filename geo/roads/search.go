package roads

import "math/bits"

// A scratch is the memory of one search, used again by the next. A stamp says which search
// wrote an entry, so nothing is cleared between searches.
type scratch struct {
	stamp   uint32
	labels  []label  // by state; in the hierarchy by vertex
	reach   []uint32 // the states that have one
	queue   queue
	chain   []uint32
	entries []entry
	apart   []apart
}

type label struct{ stamp, cost uint32 }

func (n *network) scratch() *scratch {
	var s *scratch
	select {
	case s = <-n.pool:
	default:
		s = &scratch{labels: make([]label, n.states())}
	}
	s.begin()
	return s
}

// release gives a scratch back.
func (n *network) release(s *scratch) {
	select {
	case n.pool <- s:
	default:
	}
}

// begin forgets all labels.
func (s *scratch) begin() {
	if s.stamp += 2; s.stamp < 2 { // wrapped: old stamps could look new
		clear(s.labels)
		s.stamp = 2
	}
	s.reach, s.apart = s.reach[:0], s.apart[:0]
	s.queue.clear()
}

// cost is the label of a state, never if it has none.
func (s *scratch) cost(state uint32) uint32 {
	if l := s.labels[state]; l.stamp == s.stamp {
		return l.cost
	}
	return never
}

// improve sets the label of a state when cost is less, and queues the state.
func (s *scratch) improve(state, cost uint32) {
	l := &s.labels[state]
	if l.stamp != s.stamp {
		*l = label{s.stamp, never}
		s.reach = append(s.reach, state)
	}
	if cost < l.cost {
		l.cost = cost
		s.queue.push(state, cost)
	}
}

// A queue gives the queued in order of cost, near enough: by buckets of 256 ms. Within
// a bucket a state may come with a cost that is improved later, in the same bucket; then it comes
// again. So when the queue leaves a bucket all labels below it are final, and the sums are exact. Against a heap it
// has no logarithm, and most of what it touches lies together.
//
// The buckets are a window of 262 s; what lies beyond waits in a list of its own until the window has moved there.
type queue struct {
	buckets [windowBuckets][]waiting
	filled  [windowBuckets / 64]uint64
	base    uint32 // the cost at which the window begins
	at      int    // the bucket that is being emptied
	beyond  []waiting
}

type waiting struct{ state, cost uint32 }

const (
	bucketBits    = 8
	windowBuckets = 1024
)

func (q *queue) clear() {
	for i, w := range q.filled {
		for ; w != 0; w &= w - 1 {
			b := i*64 + bits.TrailingZeros64(w)
			q.buckets[b] = q.buckets[b][:0]
		}
		q.filled[i] = 0
	}
	q.base, q.at, q.beyond = 0, 0, q.beyond[:0]
}

func (q *queue) push(state, cost uint32) {
	b := (cost - q.base) >> bucketBits
	if b >= windowBuckets {
		q.beyond = append(q.beyond, waiting{state, cost})
		return
	}
	q.buckets[b] = append(q.buckets[b], waiting{state, cost})
	q.filled[b/64] |= 1 << (b % 64)
}

// bucket moves on to the next bucket that holds something and gives the cost at which it begins: all
// labels below are final. It is false when the queue is empty.
func (q *queue) bucket() (from uint32, ok bool) {
	for {
		for w := q.at / 64; w < len(q.filled); w++ {
			if f := q.filled[w]; f != 0 {
				q.at = w*64 + bits.TrailingZeros64(f)
				return q.base + uint32(q.at)<<bucketBits, true
			}
		}
		if len(q.beyond) == 0 {
			return 0, false
		}
		least := q.beyond[0].cost
		for _, e := range q.beyond {
			least = min(least, e.cost)
		}
		q.base, q.at = least&^(1<<bucketBits-1), 0
		// What goes into the window is gone from the list before anything is added to it.
		wait := q.beyond
		q.beyond = q.beyond[:0]
		for _, e := range wait {
			q.push(e.state, e.cost)
		}
	}
}

// pop takes from the bucket; it is false when the bucket is empty.
func (q *queue) pop() (waiting, bool) {
	b := &q.buckets[q.at]
	if len(*b) == 0 {
		q.filled[q.at/64] &^= 1 << (q.at % 64)
		return waiting{}, false
	}
	e := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return e, true
}

// forward labels states with the time to their head, from what is queued, as long as it is entered
// within budget. Labels are final when it is done; a state is in s.reach when it was entered in time.
func (n *network) forward(s *scratch, m *metric, budget uint32) {
	for {
		from, ok := s.queue.bucket()
		if !ok || from > budget {
			return
		}
		for e, ok := s.queue.pop(); ok; e, ok = s.queue.pop() {
			if e.cost > s.labels[e.state].cost {
				continue // a better way was found after this was queued
			}
			n.leave(s, m, e.state, e.cost, budget)
		}
	}
}

// leave labels what may be driven after a state whose head was reached at cost.
func (n *network) leave(s *scratch, m *metric, state, cost, budget uint32) {
	for _, a := range n.outs[n.outFirst[state]:n.outFirst[state+1]] {
		to := a.state()
		if enter := cost + m.turn[a.kind()]; enter <= budget && enter+m.weight[to] < never {
			s.improve(to, enter+m.weight[to])
		}
	}
}

// backward labels states with the time from their head to the target, from what is queued. It calls
// bucket with the cost below which all labels are final, and visit at each label, perhaps more than once
// for a state and the last time with the final one; it ends when bucket says so.
func (n *network) backward(s *scratch, m *metric, bucket func(from uint32) bool, visit func(state, cost uint32)) {
	for {
		from, ok := s.queue.bucket()
		if !ok || !bucket(from) {
			return
		}
		for e, ok := s.queue.pop(); ok; e, ok = s.queue.pop() {
			if e.cost > s.labels[e.state].cost {
				continue
			}
			visit(e.state, e.cost)
			c := min(never, e.cost+m.weight[e.state])
			for _, a := range n.ins[n.inFirst[e.state]:n.inFirst[e.state+1]] {
				if c := c + m.turn[a.kind()]; c < never {
					s.improve(a.state(), c)
				}
			}
		}
	}
}
