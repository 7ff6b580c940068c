package rank

// beatComponents numbers the strongly connected components of the graph with
// an edge from the loser to the winner of every row, both ways for ties. A
// finite maximum of the Bradley–Terry likelihood exists within a component and
// not between two (Ford 1957). It is Tarjan's (1972) algorithm with an explicit
// stack. Components are numbered by their first item.
func beatComponents(n int, r *rows) []int {
	start, to := arcs(n, r)
	const unseen = -1
	index, low := make([]int32, n), make([]int32, n)
	comp := make([]int, n)
	for i := range n {
		index[i], comp[i] = unseen, unseen
	}
	next := make([]int, n) // position in to of the arc to follow next
	var path, open []int32 // the depth-first path; items not yet in a component
	clock := int32(0)
	for root := range n {
		if index[root] != unseen {
			continue
		}
		path = append(path, int32(root))
		for len(path) > 0 {
			v := path[len(path)-1]
			if index[v] == unseen {
				index[v], low[v] = clock, clock
				clock++
				open = append(open, v)
				next[v] = start[v]
			}
			if next[v] < start[v+1] {
				u := to[next[v]]
				next[v]++
				if index[u] == unseen {
					path = append(path, u)
				} else if comp[u] == unseen {
					low[v] = min(low[v], index[u])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1]
				low[parent] = min(low[parent], low[v])
			}
			if low[v] == index[v] {
				for {
					u := open[len(open)-1]
					open = open[:len(open)-1]
					comp[u] = int(v)
					if u == v {
						break
					}
				}
			}
		}
	}
	return renumber(comp)
}

// arcs lists for each item the items that beat or tied it.
func arcs(n int, r *rows) (start []int, to []int32) {
	start = make([]int, n+2)
	each := func(f func(from, to int32)) {
		for k := range r.a {
			if r.w[k]+r.t[k] > 0 {
				f(r.b[k], r.a[k])
			}
			if r.l[k]+r.t[k] > 0 {
				f(r.a[k], r.b[k])
			}
		}
	}
	each(func(from, _ int32) { start[from+2]++ })
	for i := 2; i < len(start); i++ {
		start[i] += start[i-1]
	}
	to = make([]int32, start[n+1])
	each(func(from, target int32) {
		to[start[from+1]] = target
		start[from+1]++
	})
	return start[:n+1], to
}

// islands numbers the connected parts of the graph of who met whom, by their
// first item.
func islands(n int, r *rows) []int {
	return parts(n, func(join func(a, b int32)) {
		for k := range r.a {
			join(r.a[k], r.b[k])
		}
	})
}

// parts numbers the connected parts of n items by their first item; each joins
// those that belong together.
func parts(n int, each func(join func(a, b int32))) []int {
	parent := make([]int, n)
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	each(func(x, y int32) {
		a, b := find(int(x)), find(int(y))
		parent[max(a, b)] = min(a, b)
	})
	comp := make([]int, n)
	for i := range comp {
		comp[i] = find(i)
	}
	return renumber(comp)
}

// renumber replaces arbitrary labels by 0, 1, 2 ... in the order of first use.
func renumber(label []int) []int {
	name := map[int]int{}
	for i, l := range label {
		id, ok := name[l]
		if !ok {
			id = len(name)
			name[l] = id
		}
		label[i] = id
	}
	return label
}

// members lists the items of each component in increasing order.
func members(comp []int) [][]int {
	size := 0
	for _, c := range comp {
		size = max(size, c+1)
	}
	list := make([][]int, size)
	for i, c := range comp {
		list[c] = append(list[c], i)
	}
	return list
}
