package weights

import "strconv"

// A walker visits the tensors of an unpickled object in its order. A pickle can
// refer to an object twice, so a few hundred bytes can describe a tree of any
// size, or a loop: visits and depth are bounded.
type walker struct {
	in     *input
	visits int64
	path   []string
	each   func(path []string, v *view) error     // the path is valid during the call
	value  func(path []string, text string) error // of a module's number or text; likewise
}

// visitsFor is how many objects may be looked at in what steps opcodes made. Each
// opcode makes at most one object, and a container counts itself and its items; the factor is for objects that are rightly
// shared, such as tied weights under two names.
func visitsFor(steps int64) int64 { return 4*steps + 1024 }

func (w *walker) walk(v any) error {
	if len(w.path) > w.in.lim.Depth {
		return w.in.invalid("objects are nested deeper than %d", w.in.lim.Depth)
	}
	switch v := v.(type) {
	case *view:
		return w.each(w.path, v)
	case *dict:
		if err := w.spend(len(v.values)); err != nil {
			return err
		}
		for i, item := range v.values {
			if !holdsTensors(item) {
				continue
			}
			key, ok := keyText(v.keys[i])
			if !ok {
				return w.in.invalid("a dictionary key is %s, want text or an integer", kind(v.keys[i]))
			}
			if err := w.into(key, item); err != nil {
				return err
			}
		}
	case *list:
		return w.sequence(v.items)
	case tuple:
		return w.sequence(v)
	case *object:
		return w.attributes(v)
	}
	return nil
}

// spend counts items that are about to be looked at.
func (w *walker) spend(items int) error {
	if w.visits -= int64(items) + 1; w.visits < 0 {
		return w.in.invalid("the pickle refers to its objects too often (a small file that describes a huge tree)")
	}
	return nil
}

func (w *walker) sequence(items []any) error {
	if err := w.spend(len(items)); err != nil {
		return err
	}
	for i, item := range items {
		if !holdsTensors(item) {
			continue
		}
		if err := w.into(strconv.Itoa(i), item); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) into(key string, v any) error {
	w.path = append(w.path, key)
	err := w.walk(v)
	w.path = w.path[:len(w.path)-1]
	return err
}

// holdsTensors reports whether v is a tensor or may hold one.
func holdsTensors(v any) bool {
	switch v.(type) {
	case *view, *dict, *list, tuple, *object:
		return true
	}
	return false
}

// keyText is a dictionary key as a part of a name.
func keyText(key any) (text string, ok bool) {
	switch key := key.(type) {
	case string:
		return key, true
	case int64:
		return strconv.FormatInt(key, 10), true
	}
	return "", false
}

// scalars returns the text, numbers and truth values at the top level of an
// unpickled object.
func (in *input) scalars(top any) (map[string]string, error) {
	out := make(map[string]string)
	d, ok := top.(*dict)
	if !ok {
		return out, nil
	}
	for i, v := range d.values {
		text, ok := scalarText(v)
		if !ok {
			continue
		}
		key, ok := keyText(d.keys[i])
		if !ok {
			continue
		}
		if _, ok := out[key]; ok {
			return nil, in.invalid("the top level has two values named %.100q", key)
		}
		out[key] = text
	}
	return out, nil
}
