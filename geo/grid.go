package geo

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// grid holds the points of units for nearest: cells of a fixed size, a few points
// each, in pages of 4×4 cells, under a tree of 8×8 children a node that is only
// there where units are. So one grid serves a city and a country, and a search
// that finds nothing close steps over empty land. The size of a cell follows the
// data: retune measures how crowded the cells are and rebuilds.
type grid struct {
	edit   uint64
	shift  uint // a cell is 1<<shift 1e-7 degrees wide and high
	levels uint // of nodes
	n      int
	tuned  int // n when the shift was chosen
	ops    int // since then
	root   *gridNode
}

// gridNode has other nodes or, on level 1, pages as children.
type gridNode struct {
	edit uint64
	has  uint64 // bit i: child i is there
	// sum says what is to be found below child i. It may promise too much: it is
	// made anew when the child is copied, not whenever a unit leaves it.
	sum  [64]summary
	kid  [64]*gridNode
	page [64]*gridPage
}

// gridPage holds its points by cell, row after row, and within a cell by ID: the
// cells of a row lie next to each other and are scanned as one run.
type gridPage struct {
	edit uint64
	ends [gridCells]uint32 // where in at each cell ends
	at   []gridPoint
}

const (
	gridSide  = 4
	gridCells = gridSide * gridSide

	gridShiftMin = 9  // 5.7 m
	gridShiftMax = 24 // 190 km
)

// gridPoint is one unit: 16 bytes.
type gridPoint struct {
	at   LngLat
	id   ID
	mask mask
}

func newGrid(shift uint) grid {
	return grid{shift: shift, levels: (32 - shift - 2 + 2) / 3}
}

// u maps a coordinate to the unsigned plane that cells divide.
func (p LngLat) u() (x, y uint32) {
	return uint32(int64(p.Lng) + LngMax), uint32(int64(p.Lat) + LatMax)
}

// place returns page coordinates and the cell in the page.
func (g *grid) place(p LngLat) (px, py uint32, cell int) {
	x, y := p.u()
	x, y = x>>g.shift, y>>g.shift
	return x / gridSide, y / gridSide, int(y%gridSide*gridSide + x%gridSide)
}

func gridChild(px, py, level uint32) int {
	s := 3 * (level - 1)
	return int(py>>s&7<<3 | px>>s&7)
}

// writable returns the page, made by the edit, and adds s to the sums above it.
func (g *grid) writable(edit uint64, px, py uint32, s summary) (*gridNode, int) {
	g.edit = edit
	if g.root == nil {
		g.root = &gridNode{edit: edit}
	} else if g.root.edit != edit {
		c := *g.root
		c.edit = edit
		g.root = &c
	}
	n := g.root
	for level := uint32(g.levels); level > 1; level-- {
		i := gridChild(px, py, level)
		k := n.kid[i]
		if k == nil {
			k = &gridNode{edit: edit}
			n.kid[i], n.sum[i] = k, 0
			n.has |= 1 << i
		} else if k.edit != edit {
			c := *k
			c.edit = edit
			k = &c
			n.kid[i], n.sum[i] = k, 0
			for _, below := range k.sum {
				n.sum[i] |= below
			}
		}
		n.sum[i] |= s
		n = k
	}
	i := gridChild(px, py, 1)
	p := n.page[i]
	if p == nil {
		p = &gridPage{edit: edit}
		n.page[i], n.sum[i] = p, 0
		n.has |= 1 << i
	} else if p.edit != edit {
		c := &gridPage{edit: edit, ends: p.ends, at: make([]gridPoint, len(p.at), len(p.at)+2)}
		copy(c.at, p.at)
		p = c
		n.page[i], n.sum[i] = p, p.summary()
	}
	n.sum[i] |= s
	return n, i
}

func (p *gridPage) summary() summary {
	var s summary
	for i := range p.at {
		s |= p.at[i].mask.summary()
	}
	return s
}

// run returns where the cells from..to of one row lie.
func (p *gridPage) run(from, to int) []gridPoint {
	start := uint32(0)
	if from > 0 {
		start = p.ends[from-1]
	}
	return p.at[start:p.ends[to]]
}

// search returns where in at the id stands, or should stand, in the cell.
func (p *gridPage) search(cell int, id ID) (int, bool) {
	start := uint32(0)
	if cell > 0 {
		start = p.ends[cell-1]
	}
	run := p.at[start:p.ends[cell]]
	var i int
	if len(run) <= 16 {
		for i < len(run) && run[i].id < id {
			i++
		}
	} else {
		i = sort.Search(len(run), func(i int) bool { return run[i].id >= id })
	}
	return int(start) + i, i < len(run) && run[i].id == id
}

func (g *grid) insert(edit uint64, q gridPoint) {
	px, py, cell := g.place(q.at)
	n, i := g.writable(edit, px, py, q.mask.summary())
	n.page[i].insert(cell, q)
	g.n++
	g.ops++
	g.retune(edit)
}

func (p *gridPage) insert(cell int, q gridPoint) {
	j, _ := p.search(cell, q.id)
	p.at = append(p.at, gridPoint{})
	copy(p.at[j+1:], p.at[j:])
	p.at[j] = q
	for c := cell; c < gridCells; c++ {
		p.ends[c]++
	}
}

// remove takes out the unit that stands at, and returns its mask. The unit must
// be there.
func (g *grid) remove(edit uint64, id ID, at LngLat) mask {
	px, py, cell := g.place(at)
	n, i := g.writable(edit, px, py, 0)
	p := n.page[i]
	j, ok := p.search(cell, id)
	if !ok {
		panic("geo: the grid has lost a unit") // a broken promise of our own: answers would be wrong from here on
	}
	m := p.at[j].mask
	p.at = append(p.at[:j], p.at[j+1:]...)
	for c := cell; c < gridCells; c++ {
		p.ends[c]--
	}
	if len(p.at) == 0 {
		n.page[i], n.sum[i] = nil, 0
		n.has &^= 1 << i
	}
	g.n--
	g.ops++
	return m
}

// move takes the unit from one place to another.
func (g *grid) move(edit uint64, id ID, from, to LngLat) {
	px, py, cell := g.place(from)
	qx, qy, toCell := g.place(to)
	if px != qx || py != qy || cell != toCell {
		g.insert(edit, gridPoint{to, id, g.remove(edit, id, from)})
		return
	}
	n, i := g.writable(edit, px, py, 0)
	j, ok := n.page[i].search(cell, id)
	if !ok {
		panic("geo: the grid has lost a unit")
	}
	n.page[i].at[j].at = to
	g.ops++
}

// points yields every point.
func (g *grid) points(yield func(gridPoint)) {
	var walk func(n *gridNode, level uint)
	walk = func(n *gridNode, level uint) {
		for i := range n.kid {
			switch {
			case n.has&(1<<i) == 0:
			case level > 1:
				walk(n.kid[i], level-1)
			default:
				for _, q := range n.page[i].at {
					yield(q)
				}
			}
		}
	}
	if g.root != nil {
		walk(g.root, g.levels)
	}
}

// gridSample is how many points the choice of a cell size looks at: enough to see
// a density of one point in a cell of a million within a fifth.
const gridSample = 4096

// crowd is how many others a point finds in its cell, on average, for each shift.
func crowd(sample []LngLat, n int) (density [gridShiftMax + 1]float64) {
	m := len(sample)
	if m < 2 {
		return
	}
	cells := make([]uint64, m)
	for shift := gridShiftMin; shift <= gridShiftMax; shift++ {
		for i, p := range sample {
			x, y := p.u()
			cells[i] = uint64(y>>shift)<<32 | uint64(x>>shift)
		}
		slices.Sort(cells)
		pairs := 0
		for i := 0; i < m; {
			j := i + 1
			for j < m && cells[j] == cells[i] {
				j++
			}
			pairs += (j - i) * (j - i - 1)
			i = j
		}
		density[shift] = float64(pairs) / float64(m) / float64(m-1) * float64(n-1)
	}
	return density
}

// gridCrowd is how many others a point may find in its cell: measured, nearest
// five is quickest between two and eight.
const gridCrowd = 8

func bestShift(density [gridShiftMax + 1]float64) uint {
	shift := gridShiftMax
	for shift > gridShiftMin && density[shift] > gridCrowd {
		shift--
	}
	return uint(shift)
}

// sampled tells whether the point with the id belongs to the sample. Neighbours
// in space and in time must be as likely to be in it together as any two, so the
// id is hashed.
func sampled(id ID, n int) bool {
	return n <= gridSample || uint64(fmix(uint32(id)))*uint64(n)>>32 < gridSample
}

// retune rebuilds the grid when its cells have become far too full or too empty.
func (g *grid) retune(edit uint64) {
	// A look costs as much as the points: it is due when they are four times as many
	// as at the last, or when each has changed its cell once since.
	if g.n < 4*max(g.tuned, 64) && g.ops < max(1<<16, g.n) {
		return
	}
	g.ops, g.tuned = 0, g.n
	var sample []LngLat
	g.points(func(q gridPoint) {
		if sampled(q.id, g.n) {
			sample = append(sample, q.at)
		}
	})
	density := crowd(sample, g.n)
	best := bestShift(density)
	if density[g.shift] <= 3*gridCrowd && (best <= g.shift || density[g.shift] > gridCrowd/16.) {
		return
	}
	all := make([]gridPoint, 0, g.n)
	g.points(func(q gridPoint) { all = append(all, q) })
	sortByCell(all, best)
	*g = buildGrid(edit, best, all)
}

// buildGrid makes a grid of points that are sorted by cell.
func buildGrid(edit uint64, shift uint, all []gridPoint) grid {
	g := newGrid(shift)
	g.edit, g.n, g.tuned = edit, len(all), len(all)
	for i := 0; i < len(all); {
		px, py, _ := g.place(all[i].at)
		j := i
		var ends [gridCells]uint32
		var s summary
		for ; j < len(all); j++ {
			qx, qy, cell := g.place(all[j].at)
			if qx != px || qy != py {
				break
			}
			s |= all[j].mask.summary()
			ends[cell] = uint32(j - i + 1)
		}
		for c := 1; c < gridCells; c++ {
			ends[c] = max(ends[c], ends[c-1])
		}
		n, k := g.writable(edit, px, py, s)
		*n.page[k] = gridPage{edit: edit, ends: ends, at: slices.Clone(all[i:j])}
		i = j
	}
	return g
}

// sortByCell sorts points by page, in the order of a Z-curve, then cell, then ID.
func sortByCell(all []gridPoint, shift uint) {
	type keyed struct {
		key uint64
		q   gridPoint
	}
	from, to := make([]keyed, len(all)), make([]keyed, len(all))
	for i, q := range all {
		x, y := q.at.u()
		x, y = x>>shift, y>>shift
		from[i] = keyed{zip(x/gridSide, y/gridSide)<<4 | uint64(y%gridSide*gridSide+x%gridSide), q}
	}
	// By the least significant digit first: linear, and a million points are not
	// worth the log.
	digits := func(digit func(k *keyed) uint64) {
		var n [1<<16 + 1]uint32
		for i := range from {
			n[digit(&from[i])&0xffff+1]++
		}
		if len(from) == 0 || n[digit(&from[0])&0xffff+1] == uint32(len(from)) {
			return // all the same
		}
		for i := range 1 << 16 {
			n[i+1] += n[i]
		}
		for i := range from {
			d := digit(&from[i]) & 0xffff
			to[n[d]] = from[i]
			n[d]++
		}
		from, to = to, from
	}
	if len(all) < 1<<14 {
		slices.SortFunc(from, func(a, b keyed) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.q.id, b.q.id)) })
	} else {
		digits(func(k *keyed) uint64 { return uint64(k.q.id) })
		digits(func(k *keyed) uint64 { return uint64(k.q.id) >> 16 })
		for shift := 0; shift < 64; shift += 16 {
			digits(func(k *keyed) uint64 { return k.key >> shift })
		}
	}
	for i := range from {
		all[i] = from[i].q
	}
}

// zip interleaves the bits of x and y.
func zip(x, y uint32) uint64 { return spreadBits(x) | spreadBits(y)<<1 }

func spreadBits(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// origin is where distances are measured from.
type origin struct {
	at       LngLat
	sin, cos float64 // of the latitude
}

const (
	radE7  = math.Pi / 180 / 1e7
	halfE7 = radE7 / 2 // of an angle in 1e-7 degree: half of it in radians
)

func newOrigin(at LngLat) origin {
	sin, cos := math.Sincos(float64(at.Lat) * radE7)
	return origin{at, sin, cos}
}

// hav is the haversine of the angle from the origin to p, h = sin²(angle/2), cut to
// 40 significant bits. All distances come from it, and the cut makes two different
// values of h two different distances after the square root and the arcsine too: so
// to order by h is to order by metres, and ties are the same in both. It is never
// inlined: on machines that fuse multiply and add, every caller must get the
// same bits.
//
//go:noinline
func (o *origin) hav(p LngLat) float64 {
	turn := int64(p.Lng) - int64(o.at.Lng)
	if turn > LngMax {
		turn -= 2 * LngMax
	} else if turn < -LngMax {
		turn += 2 * LngMax
	}
	y, x := float64(p.Lat-o.at.Lat)*halfE7, float64(turn)*halfE7
	yy, xx := y*y, x*x
	var cos float64 // of p's latitude
	if yy < 4e-4 && xx < 4e-4 {
		// Within 2.3 degrees: four terms of sin² are good to 1e-14, and four times quicker.
		yy *= 1 - yy*(1./3-yy*(2./45-yy*(1./315)))
		xx *= 1 - xx*(1./3-xx*(2./45-xx*(1./315)))
		sin := 2 * math.Sqrt(yy*(1-yy)) // of the difference of latitude
		if y < 0 {
			sin = -sin
		}
		cos = o.cos*(1-2*yy) - o.sin*sin
	} else {
		sy, sx := math.Sin(y), math.Sin(x)
		yy, xx = sy*sy, sx*sx
		cos = math.Cos(float64(p.Lat) * radE7)
	}
	h := yy + o.cos*max(0, cos)*xx
	return math.Float64frombits(math.Float64bits(h) &^ (1<<12 - 1))
}

// metres is the distance that h stands for.
func metres(h float64) float64 {
	x := math.Sqrt(min(1, h))
	if x < .01 { // 127 km: four terms of the arcsine are exact, and four times quicker
		xx := x * x
		return 2 * EarthRadius * x * (1 + xx*(1./6+xx*(3./40+xx*(15./336))))
	}
	return 2 * EarthRadius * math.Asin(x)
}

// safely makes a bound that was computed in floating point a bound: hav cuts
// 1e-12 off and errs by 1e-14.
const safely = 1 - 1e-9

// flat returns the factors of the squares of a difference of latitude and of
// longitude, both at most reach, whose sum is a lower bound of hav.
func (o *origin) flat(reach int64) (lat, lng float64) {
	far := float64(reach) * radE7
	bent := halfE7 * halfE7 * (1 - far*far/12) * safely // sin²x ≥ x²(1 - x²/3), x = far/2
	return max(0, bent), max(0, bent*o.cos*(o.cos-far-1e-12))
}

// beyond is a lower bound of hav for every place that lies outside of the box of
// u coordinates (x0, y0)-(x1, y1), inclusive, around the origin. The box must
// not reach over the antimeridian.
func (o *origin) beyond(x0, y0, x1, y1 int64) float64 {
	x, y := o.at.u()
	dy := min(int64(y)-y0, y1-int64(y))
	dx := min(int64(x)-x0, x1-int64(x))
	// What is farther north or south is at least that far away. What is not lies
	// between the two parallels, and no cosine there is less than cos.
	north := float64(dy) * halfE7
	cos := o.cos - float64(max(int64(y)-y0, y1-int64(y)))*radE7 - 1e-12
	east := float64(dx) * halfE7
	h := north * north * (1 - north*north/3)
	if cos <= 0 {
		return 0
	}
	return min(h, o.cos*cos*east*east*(1-east*east/3)) * safely
}

// within is a lower bound of hav for every place in a box of u coordinates.
func (o *origin) within(x0, y0, x1, y1 int64) float64 {
	ux, uy := o.at.u()
	x, y := int64(ux), int64(uy)
	x1, y1 = min(x1, 2*LngMax), min(y1, 2*LatMax) // a node may stick out
	var h float64
	if y < y0 || y > y1 {
		h = sin2(float64(max(y0-y, y-y1)) * halfE7)
	}
	if x >= x0 && x <= x1 {
		return h * safely
	}
	const turn = 2 * LngMax
	west, east := x-x1, x0-x // on one side one is negative: it goes round the globe
	if west < 0 {
		west += turn
	}
	if east < 0 {
		east += turn
	}
	far := float64(max(y-y0, y1-y)) * radE7
	cos := o.cos - far
	if far > .05 {
		cos = math.Cos(float64(max(LatMax-y0, y1-LatMax)) * radE7)
	}
	return (h + o.cos*max(0, cos-1e-12)*sin2(float64(min(west, east))*halfE7)) * safely
}

// sin2 is the square of the sine, or a little less.
func sin2(x float64) float64 {
	if x < .1 {
		return x * x * (1 - x*x/3)
	}
	s := math.Sin(x)
	return s * s
}
