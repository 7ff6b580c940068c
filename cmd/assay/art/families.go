package art

import (
	"math"
	"math/rand/v2"
)

// flow draws many thin lines along a smooth field of directions.
func flow(c *canvas, r *rand.Rand, p palette) {
	c.fill(p.ground)
	field, turns, zoom := noise(r.Uint64()), 1+2*r.Float64(), 1.5+3*r.Float64()
	side := float64(c.side)
	for range 900 {
		x, y := r.Float64()*side, r.Float64()*side
		ink, width := p.pick(r), 0.5+1.2*r.Float64()
		for range 90 + r.IntN(120) {
			a := 2 * math.Pi * turns * field.octaves(zoom*x/side, zoom*y/side, 2)
			x, y = x+math.Cos(a), y+math.Sin(a)
			c.disc(x, y, width, ink, 0.35)
		}
	}
}

// voronoi colours the plane by its nearest seed and leads the borders.
func voronoi(c *canvas, r *rand.Rand, p palette) {
	type site struct {
		x, y float64
		k    color
	}
	sites := make([]site, 30+r.IntN(120))
	for i := range sites {
		sites[i] = site{r.Float64(), r.Float64(), p.at(r.Float64()).scale(0.6 + 0.6*r.Float64())}
	}
	lead := 0.003 + 0.004*r.Float64()
	c.shade(func(x, y float64) color {
		first, second, near := 9.0, 9.0, 0
		for i, s := range sites {
			d := math.Hypot(x-s.x, y-s.y)
			if d < first {
				first, second, near = d, first, i
			} else if d < second {
				second = d
			}
		}
		if second-first < lead {
			return p.ground.scale(0.3)
		}
		return sites[near].k.scale(1.1 - 2.2*first)
	})
}

// waves adds a few circular waves.
func waves(c *canvas, r *rand.Rand, p palette) {
	type source struct{ x, y, k, phase float64 }
	sources := make([]source, 3+r.IntN(4))
	for i := range sources {
		sources[i] = source{2*r.Float64() - 0.5, 2*r.Float64() - 0.5, 20 + 90*r.Float64(), 7 * r.Float64()}
	}
	c.shade(func(x, y float64) color {
		sum := 0.0
		for _, s := range sources {
			sum += math.Sin(s.k*math.Hypot(x-s.x, y-s.y) + s.phase)
		}
		return p.at(0.5 + 0.5*sum/float64(len(sources)))
	})
}

// packing throws circles that may touch but not overlap.
func packing(c *canvas, r *rand.Rand, p palette) {
	c.fill(p.ground)
	type circle struct{ x, y, radius float64 }
	var placed []circle
	side, most := float64(c.side), 25+70*r.Float64()
	for range 2600 {
		x, y := r.Float64()*side, r.Float64()*side
		radius := most
		for _, o := range placed {
			radius = min(radius, math.Hypot(x-o.x, y-o.y)-o.radius-1)
		}
		if radius < 2.5 {
			continue
		}
		placed = append(placed, circle{x, y, radius})
		c.disc(x, y, radius, p.pick(r), 1)
		if r.IntN(3) == 0 {
			c.disc(x, y, radius*0.55, p.pick(r), 1)
		}
	}
}

// mondrian divides a rectangle again and again.
func mondrian(c *canvas, r *rand.Rand, p palette) {
	c.fill(p.ground.scale(0.25))
	gap, least := 3+r.IntN(6), 30+r.IntN(60)
	var split func(x, y, w, h int)
	split = func(x, y, w, h int) {
		if (w > 2*least || h > 2*least) && (w+h > c.side/2 || r.IntN(5) > 0) {
			if w > h {
				k := least + r.IntN(max(w-2*least, 1))
				split(x, y, k, h)
				split(x+k, y, w-k, h)
			} else {
				k := least + r.IntN(max(h-2*least, 1))
				split(x, y, w, k)
				split(x, y+k, w, h-k)
			}
			return
		}
		k := p.ground
		if p.ground[0] < 0.1 || r.IntN(2) == 0 {
			k = p.pick(r)
		}
		for j := y + gap/2; j < y+h-gap/2; j++ {
			for i := x + gap/2; i < x+w-gap/2; i++ {
				c.over(i, j, k, 1)
			}
		}
	}
	split(0, 0, c.side, c.side)
}

// julia colours by how fast a point escapes.
func julia(c *canvas, r *rand.Rand, p palette) {
	a := 2 * math.Pi * r.Float64()
	cx, cy := 0.7885*math.Cos(a), 0.7885*math.Sin(a)
	zoom := 1.1 + 0.5*r.Float64()
	c.shade(func(x, y float64) color {
		zx, zy := zoom*(2*x-1), zoom*(2*y-1)
		for i := range 120 {
			xx, yy := zx*zx, zy*zy
			if xx+yy > 64 {
				t := (float64(i) + 1 - math.Log2(math.Log2(xx+yy)/2)) / 120
				return p.ground.mix(p.at(math.Sqrt(t)), min(1, 6*t))
			}
			zx, zy = xx-yy+cx, 2*zx*zy+cy
		}
		return p.inks[0].scale(0.2)
	})
}

// ridges stacks silhouettes that fade with distance.
func ridges(c *canvas, r *rand.Rand, p palette) {
	profile := noise(r.Uint64())
	sky, land := p.at(0.9), p.at(0.1).scale(0.4)
	layers := 5 + r.IntN(5)
	sunX, sunY, sun := r.Float64(), 0.15+0.25*r.Float64(), 0.04+0.06*r.Float64()
	rough := 1.5 + 3*r.Float64()
	c.shade(func(x, y float64) color {
		k := sky.mix(p.at(0.6), y)
		if math.Hypot(x-sunX, y-sunY) < sun {
			k = color{1, 0.93, 0.8}
		}
		for l := range layers {
			t := float64(l) / float64(layers-1)
			crest := 0.35 + 0.5*t - 0.28*(1-0.5*t)*(profile+noise(l)*131).octaves(rough*x+float64(3*l), 0.5, 5)
			if y > crest {
				k = sky.mix(land, 0.25+0.75*t).mix(sky, 0.35*max(0, 1-8*(y-crest)))
			}
		}
		return k
	})
}

// truchet lays tiles of two quarter circles.
func truchet(c *canvas, r *rand.Rand, p palette) {
	c.fill(p.ground)
	n := 6 + r.IntN(12)
	tile := float64(c.side) / float64(n)
	width := tile * (0.1 + 0.25*r.Float64())
	for j := range n {
		for i := range n {
			x, y, ink := float64(i)*tile, float64(j)*tile, p.pick(r)
			turned := r.IntN(2) == 0
			for v := int(y); v < int(y+tile)+1; v++ {
				for u := int(x); u < int(x+tile)+1; u++ {
					dx, dy := float64(u)+0.5-x, float64(v)+0.5-y
					if turned {
						dx = tile - dx
					}
					d := min(math.Abs(math.Hypot(dx, dy)-tile/2), math.Abs(math.Hypot(tile-dx, tile-dy)-tile/2))
					c.over(u, v, ink, min(max(width/2+0.5-d, 0), 1))
				}
			}
		}
	}
}

// attractor accumulates the orbit of a Clifford map.
func attractor(c *canvas, r *rand.Rand, p palette) {
	c.fill(p.ground)
	hits, most := orbit(c.side, clifford(r))
	for i, h := range hits {
		if h > 0 {
			t := math.Log1p(h) / math.Log1p(most)
			c.pix[i] = p.ground.mix(p.at(t), min(1, 2*t))
		}
	}
}

// clifford draws parameters until the orbit is not just a few points.
func clifford(r *rand.Rand) (k [4]float64) {
	for {
		for i := range k {
			k[i] = 1.2 + 0.8*r.Float64()
			if r.IntN(2) == 0 {
				k[i] = -k[i]
			}
		}
		seen := map[[2]int]bool{}
		x, y := 0.1, 0.1
		for n := range 4000 {
			if x, y = step(k, x, y); n > 1000 {
				seen[[2]int{int(50 * x), int(50 * y)}] = true
			}
		}
		if len(seen) > 1000 {
			return k
		}
	}
}

func step(k [4]float64, x, y float64) (float64, float64) {
	return math.Sin(k[0]*y) + k[2]*math.Cos(k[0]*x), math.Sin(k[1]*x) + k[3]*math.Cos(k[1]*y)
}

// orbit counts how often the map visits each pixel.
func orbit(side int, k [4]float64) (hits []float64, most float64) {
	hits = make([]float64, side*side)
	x, y := 0.1, 0.1
	for n := range 1_500_000 {
		x, y = step(k, x, y)
		i, j := int((x/6.2+0.5)*float64(side)), int((y/6.2+0.5)*float64(side))
		if n > 100 && i >= 0 && j >= 0 && i < side && j < side {
			hits[j*side+i]++
			most = max(most, hits[j*side+i])
		}
	}
	return hits, most
}

// marble bends noise by noise, twice.
func marble(c *canvas, r *rand.Rand, p palette) {
	n, zoom, bend := noise(r.Uint64()), 1.5+3*r.Float64(), 1+3*r.Float64()
	c.shade(func(x, y float64) color {
		x, y = zoom*x, zoom*y
		u, v := n.octaves(x, y, 4), n.octaves(x+5.2, y+1.3, 4)
		a, b := n.octaves(x+bend*u+1.7, y+bend*v+9.2, 4), n.octaves(x+bend*u+8.3, y+bend*v+2.8, 4)
		t := n.octaves(x+bend*a, y+bend*b, 5)
		return p.at(1.8*t-0.4).mix(p.ground, smooth(min(max(2*u-0.9, 0), 1)))
	})
}
