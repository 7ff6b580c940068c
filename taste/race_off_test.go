//go:build !race

package taste

// raceEnabled says that the race detector is on, under which large networks take
// ten times as long.
const raceEnabled = false
