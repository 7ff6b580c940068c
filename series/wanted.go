package series

import "slices"

// A Serving says which instrument a gate reads.
type Serving struct {
	Gate       string
	Instrument string // empty if none that could serve is installed
}

// Serving names, for the gates whose instrument no control chooses, the one that
// the options name or else the best that is installed.
func (o Options) Serving(installed func(name string) bool) []Serving {
	best := func(gate, named string, names []string) Serving {
		if i := slices.IndexFunc(names, installed); named == "" && i >= 0 {
			named = names[i]
		}
		return Serving{gate, named}
	}
	return []Serving{
		best(adherenceGate, o.Adherence, adherences()),
		best(diversityGate, o.Distance, distances()),
		best(styleGate, o.Style, styles()),
	}
}

// Wanted names the instruments that the gates and the map of a series with these
// options stand on. Whoever opens instruments for a series can leave the others
// closed.
func (o Options) Wanted(installed func(name string) bool) []string {
	o = o.withDefaults()
	names := append([]string{sketchInstrument}, o.Technical...)
	for _, s := range o.Serving(installed) {
		names = append(names, s.Instrument, guards()[s.Instrument])
	}
	for _, axis := range o.Axes {
		names = append(names, axis.Descriptor)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}
