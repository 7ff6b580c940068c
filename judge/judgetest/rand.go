package judgetest

import (
	"encoding/binary"
	"hash/fnv"
	"math"
)

// Draw returns a number in [0,1) that depends on seed and labels only.
func Draw(seed uint64, labels ...string) float64 {
	h := fnv.New64a()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	for _, l := range labels {
		binary.LittleEndian.PutUint64(b[:], uint64(len(l)))
		h.Write(b[:])
		h.Write([]byte(l))
	}
	return float64(mix(h.Sum64())>>11) / (1 << 53)
}

// mix is the finaliser of SplitMix64: FNV alone leaves the high bits of short
// labels nearly constant.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Normal returns a number from the standard normal distribution that depends on
// seed and labels only.
func Normal(seed uint64, labels ...string) float64 {
	return math.Sqrt2 * math.Erfinv(2*math.Max(Draw(seed, labels...), 1e-15)-1)
}

// sigmoid is the logistic function.
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
