package api

import (
	linked "container/list" // list is another thing in this package
	"sync"
)

// lru keeps what was used last, up to a weight. It may be used by many goroutines.
type lru[K comparable, V any] struct {
	most int64

	mu     sync.Mutex
	weight int64
	order  linked.List // of *kept[K, V], the one used last in front
	byKey  map[K]*linked.Element
}

type kept[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newLRU[K comparable, V any](most int64) *lru[K, V] {
	return &lru[K, V]{most: most, byKey: map[K]*linked.Element{}}
}

func (l *lru[K, V]) get(key K) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byKey[key]
	if e == nil {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*kept[K, V]).value, true
}

// put keeps a value in the place of the one before it. What weighs more than everything
// together may is not kept.
func (l *lru[K, V]) put(key K, v V, weight int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byKey[key]; e != nil {
		l.drop(e)
	}
	if weight > l.most {
		return
	}
	l.byKey[key] = l.order.PushFront(&kept[K, V]{key, v, weight})
	for l.weight += weight; l.weight > l.most; {
		l.drop(l.order.Back())
	}
}

func (l *lru[K, V]) drop(e *linked.Element) {
	k := l.order.Remove(e).(*kept[K, V])
	delete(l.byKey, k.key)
	l.weight -= k.weight
}
