package series

import "slices"

// Wanted names the instruments that the gates and the map of a series with these
// options stand on: those the options name, and for each gate without one the
// best that is installed. Whoever opens instruments for a series can leave the
// others closed.
func (o Options) Wanted(installed func(name string) bool) []string {
	o = o.withDefaults()
	var names []string
	want := func(named string, best []string) string {
		if named == "" {
			i := slices.IndexFunc(best, installed)
			if i < 0 {
				return ""
			}
			named = best[i]
		}
		names = append(names, named)
		return named
	}
	want(o.Adherence, adherences())
	want(o.Distance, distances())
	if guard := guards()[want(o.Style, styles())]; guard != "" {
		names = append(names, guard)
	}
	for _, axis := range o.Axes {
		names = append(names, axis.Descriptor)
	}
	return append(append(names, o.Technical...), sketchInstrument)
}
