package roads

// The times from many places to one, over the hierarchy. The way down to the target is labelled
// first: only vertices above it can lie on one. After that the time from a vertex is the least over its
// arcs up of their time and that of their head, or its way down, and heads are above it: so times are
// worked out where they are asked for, from the highest vertex down, and remembered (lazy RPHAST:
// Delling, Goldberg and Werneck 2011; Strasser and Zeitz 2021). Many places share most of what is above them.
//
// A label's stamp is the search's while it is only a way down and one more when it is final.

// target labels the ways down to the entries of a stop.
func (h *hierarchy) target(s *scratch, t *times, entries []entry) {
	chain := s.chain[:0] // one cursor for each entry, until they meet
	for _, e := range entries {
		v := h.rank[e.from]
		s.lower(v, e.cost)
		chain = append(chain, v)
	}
	for len(chain) > 0 {
		v := chain[0]
		for _, c := range chain[1:] {
			v = min(v, c)
		}
		cost := s.labels[v].cost
		from, to := h.first[v], h.first[v+1]
		heads, down := h.head[from:to], t.down[from:to]
		for i, u := range heads {
			s.lower(u, cost+down[i])
		}
		merged := chain[:0]
		for _, c := range chain {
			if c != v {
				merged = append(merged, c)
			}
		}
		if chain = merged; len(heads) > 0 {
			known := false
			for _, c := range chain {
				known = known || c == heads[0]
			}
			if !known {
				chain = append(chain, heads[0])
			}
		}
	}
	s.chain = chain
}

func (s *scratch) lower(v, cost uint32) {
	l := &s.labels[v]
	if l.stamp != s.stamp {
		*l = label{s.stamp, never}
	}
	l.cost = min(l.cost, cost)
}

// to is the time from the head of a state to the target.
func (h *hierarchy) to(s *scratch, t *times, state uint32) uint32 {
	chain := s.chain[:0]
	v := h.rank[state]
	for s.labels[v].stamp != s.stamp+1 {
		chain = append(chain, v)
		if h.first[v] == h.first[v+1] {
			break
		}
		v = h.head[h.first[v]]
	}
	for i := len(chain) - 1; i >= 0; i-- {
		v = chain[i]
		cost := s.cost(v)
		from, to := h.first[v], h.first[v+1]
		heads, up := h.head[from:to], t.up[from:to]
		for i, u := range heads {
			cost = min(cost, s.labels[u].cost+up[i])
		}
		s.labels[v] = label{s.stamp + 1, cost}
	}
	s.chain = chain
	return s.labels[h.rank[state]].cost
}
