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

// TechnicalServing names what serves the technical gates before controls have been seen:
// the instruments that the options name, else the best network for it that is
// installed, which stays unless the controls show that a formula catches more of a
// kind of damage. It is empty where formulas alone serve.
func (o Options) TechnicalServing(installed func(name string) bool) []string {
	if len(o.Technical) > 0 {
		return slices.Clone(o.Technical)
	}
	if i := slices.IndexFunc(technicals(), installed); i >= 0 {
		return technicals()[i : i+1]
	}
	return nil
}

// Wanted names the instruments that the gates and the map of a series with these
// options stand on. Whoever opens instruments for a series can leave the others
// closed.
func (o Options) Wanted(installed func(name string) bool) []string {
	o = o.withDefaults()
	names := append([]string{sketchInstrument}, o.TechnicalServing(installed)...)
	for _, s := range o.Serving(installed) {
		names = append(names, s.Instrument, guards()[s.Instrument])
	}
	for _, axis := range o.Axes {
		_, asked := askedOf(axis.Descriptor)
		if _, learned := learnedOf(axis.Descriptor); !asked && !learned {
			names = append(names, axis.Descriptor)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}
