package weights

import (
	"fmt"
	"strconv"
	"strings"
)

// global pushes an allowed name. Names that are not allowed end the reading
// here: they are never looked up anywhere.
func (u *unpickler) global() error {
	module, err := u.line()
	if err != nil {
		return err
	}
	name, err := u.line()
	if err != nil {
		return err
	}
	g := global(module) + " " + global(name)
	if !g.allowed() && !(u.script && g.scripted()) {
		return u.refuse("global %q is not one that tensors need; it is not loaded "+
			"(a checkpoint that needs it must be saved again as a plain state dict or as safetensors)",
			string(module)+"."+string(name))
	}
	return u.push(g)
}

// reduce is a call. The four calls that make tensors are done by hand.
func (u *unpickler) reduce() error {
	operands, err := u.pop(2)
	if err != nil {
		return err
	}
	fn, ok := operands[0].(global)
	if !ok {
		return u.refuse("calls %s, want a function", kind(operands[0]))
	}
	args, ok := operands[1].(tuple)
	if !ok {
		return u.refuse("arguments of %s are %s, want a tuple", fn.dotted(), kind(operands[1]))
	}
	switch fn {
	case orderedDict:
		return u.newOrderedDict(args)
	case rebuildTensor:
		return u.newTensor(args)
	case rebuildParameter:
		return u.newParameter(args)
	case torchSize:
		if len(args) != 1 {
			return u.refuse("torch.Size takes 1 argument, got %d", len(args))
		}
		size, ok := args[0].(tuple)
		if !ok {
			return u.refuse("torch.Size of %s, want a tuple", kind(args[0]))
		}
		return u.push(size)
	}
	if fn.scripted() { // mentioned, so allowed
		return u.scriptCall(fn, args)
	}
	return u.refuse("%s may be mentioned but not called", fn.dotted())
}

func (g global) dotted() string { return strings.Replace(string(g), " ", ".", 1) }

// newOrderedDict makes an OrderedDict, which Python 3 pickles empty and Python 2
// pickles with one argument: a list of [key, value] lists.
func (u *unpickler) newOrderedDict(args tuple) error {
	d := &dict{ordered: true}
	if len(args) == 0 {
		return u.push(d)
	}
	pairs, ok := args[0].(*list)
	if !ok || len(args) != 1 {
		return u.refuse("collections.OrderedDict takes nothing or one list of pairs")
	}
	if u.pairs += int64(len(pairs.items)); u.pairs > u.pos { // one list, called upon again and again
		return u.refuse("collections.OrderedDict: more pairs in all than the pickle has bytes")
	}
	for i, p := range pairs.items {
		var pair []any
		switch p := p.(type) {
		case *list:
			pair = p.items
		case tuple:
			pair = p
		}
		if len(pair) != 2 {
			return u.refuse("collections.OrderedDict: item %d is not a pair", i)
		}
		d.keys = append(d.keys, pair[0])
		d.values = append(d.values, pair[1])
	}
	return u.push(d)
}

// newTensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
// requires_grad, backward_hooks, metadata=None). Metadata can say that the values
// are to be conjugated or negated, so only an empty one is accepted.
func (u *unpickler) newTensor(args tuple) error {
	if len(args) != 6 && len(args) != 7 {
		return u.refuse("%s takes 6 or 7 arguments, got %d", rebuildTensor.dotted(), len(args))
	}
	of, ok := args[0].(*storage)
	if !ok {
		return u.refuse("tensor of %s, want a storage", kind(args[0]))
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 {
		return u.refuse("tensor of storage %.100q: offset is %s, want one that is not negative", of.key, describe(args[1]))
	}
	shape, err := integers(args[2])
	if err != nil {
		return u.refuse("tensor of storage %.100q: shape: %v", of.key, err)
	}
	stride, err := integers(args[3])
	if err != nil {
		return u.refuse("tensor of storage %.100q: strides: %v", of.key, err)
	}
	if _, ok := args[4].(bool); !ok {
		return u.refuse("tensor of storage %.100q: requires_grad is %s, want a bool", of.key, kind(args[4]))
	}
	if err := emptyDict(args[5]); err != nil {
		return u.refuse("tensor of storage %.100q: backward hooks: %v", of.key, err)
	}
	if len(args) == 7 {
		if err := emptyDict(args[6]); err != nil {
			return u.refuse("tensor of storage %.100q: metadata: %v", of.key, err)
		}
	}
	return u.push(&view{of: of, offset: offset, shape: shape, stride: stride})
}

// newParameter is torch._utils._rebuild_parameter(data, requires_grad,
// backward_hooks): the tensor itself, to us.
func (u *unpickler) newParameter(args tuple) error {
	if len(args) != 3 {
		return u.refuse("%s takes 3 arguments, got %d", rebuildParameter.dotted(), len(args))
	}
	data, ok := args[0].(*view)
	if !ok {
		return u.refuse("parameter of %s, want a tensor", kind(args[0]))
	}
	if _, ok := args[1].(bool); !ok {
		return u.refuse("parameter: requires_grad is %s, want a bool", kind(args[1]))
	}
	if err := emptyDict(args[2]); err != nil {
		return u.refuse("parameter: backward hooks: %v", err)
	}
	return u.push(data)
}

// emptyDict accepts None and dictionaries without items.
func emptyDict(v any) error {
	if v == nil {
		return nil
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("%s, want none", kind(v))
	}
	if len(d.keys) != 0 {
		return fmt.Errorf("a dictionary of %d items, want none", len(d.keys))
	}
	return nil
}

// integers reads a tuple of at most maxDims integers.
func integers(v any) ([]int64, error) {
	items, ok := v.(tuple)
	if !ok {
		return nil, fmt.Errorf("%s, want a tuple of integers", kind(v))
	}
	if len(items) > maxDims {
		return nil, fmt.Errorf("%d dimensions, more than %d", len(items), maxDims)
	}
	out := make([]int64, len(items))
	for i, item := range items {
		if out[i], ok = item.(int64); !ok {
			return nil, fmt.Errorf("item %d is %s, want an integer", i, kind(item))
		}
	}
	return out, nil
}

// build sets an object's state. torch.save writes it to attach the module
// versions ("_metadata") to an OrderedDict; no tensor depends on them, so the
// state is dropped. torch.jit.save writes it to give a module its attributes. On
// anything else it is refused.
func (u *unpickler) build() error {
	operands, err := u.pop(2)
	if err != nil {
		return err
	}
	target, state := operands[0], operands[1]
	if o, ok := target.(*object); ok {
		return u.setState(o, state)
	}
	d, ok := target.(*dict)
	if !ok || !d.ordered {
		return u.refuse("sets the state of %s, want an OrderedDict", kind(target))
	}
	if _, ok := state.(*dict); !ok {
		return u.refuse("the state is %s, want a dictionary", kind(state))
	}
	return u.push(d)
}

// persistent pushes the storage that a persistent id describes: ("storage",
// class, key, device, number of values), and in legacy streams a sixth item for
// storages that are part of another. The device is ignored.
func (u *unpickler) persistent() error {
	operands, err := u.pop(1)
	if err != nil {
		return err
	}
	id, ok := operands[0].(tuple)
	if !ok || len(id) < 5 || len(id) > 6 || id[0] != "storage" {
		return u.refuse("persistent id is not that of a storage")
	}
	if len(id) == 6 && id[5] != nil {
		return u.refuse("a storage that is a part of another one is not supported (PyTorch before 0.4 wrote them); " +
			"save the checkpoint again with a newer PyTorch")
	}
	class, ok := id[1].(global)
	if !ok || storageTypes[class] == "" {
		return u.refuse("storage of class %s, want a torch storage", kind(id[1]))
	}
	key, ok := id[2].(string)
	if !ok {
		return u.refuse("storage key is %s, want text", kind(id[2]))
	}
	if _, ok := id[3].(string); !ok {
		return u.refuse("storage %.100q: device is %s, want text", key, kind(id[3]))
	}
	count, ok := id[4].(int64)
	if !ok || count < 0 {
		return u.refuse("storage %.100q: number of values is %s, want one that is not negative", key, describe(id[4]))
	}
	of := &storage{key: key, dtype: storageTypes[class], count: count}
	if have, ok := u.storages[key]; ok && have != of.dtype {
		u.storages[key] = mixed
	} else {
		u.storages[key] = of.dtype
	}
	return u.push(of)
}

// describe is kind, with the number itself if it is one.
func describe(v any) string {
	if n, ok := v.(int64); ok {
		return strconv.FormatInt(n, 10)
	}
	return kind(v)
}

// kind says in words what an unpickled value is.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, bigInt:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "text"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case global:
		return "the name " + v.dotted()
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	case *object:
		return "a " + v.class
	}
	return fmt.Sprintf("%T", v)
}
