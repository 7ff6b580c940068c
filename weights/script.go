package weights

import (
	"strconv"
	"strings"
)

// What torch.jit.save adds to a pickle: the objects are instances of classes that
// the archive's own code defines. The code is never read, so an instance is its
// class's name and its attributes, and nothing more can be made of it.

// An object is an instance of a class of a TorchScript archive.
type object struct {
	class string
	state *dict // attributes; nil until BUILD
}

// The functions of torch.jit.save that give lists and dictionaries their type:
// they return their argument as it is.
const (
	buildIntList    global = "torch.jit._pickle build_intlist"
	buildDoubleList global = "torch.jit._pickle build_doublelist"
	buildBoolList   global = "torch.jit._pickle build_boollist"
	buildTensorList global = "torch.jit._pickle build_tensorlist"
	restoreTypeTag  global = "torch.jit._pickle restore_type_tag"
	torchDevice     global = "torch device"
)

// scripted reports whether torch.jit.save may mention the name, beside those that
// torch.save may.
func (g global) scripted() bool {
	switch g {
	case buildIntList, buildDoubleList, buildBoolList, buildTensorList, restoreTypeTag, torchDevice:
		return true
	}
	return g.scriptClass()
}

// scriptClass reports whether the name is a class that the archive's code defines:
// __torch__.MODULES.NAME.
func (g global) scriptClass() bool {
	return strings.HasPrefix(string(g), "__torch__.") || strings.HasPrefix(string(g), "__torch__ ")
}

// newObject is NEWOBJ, by which torch.jit.save makes an instance without arguments.
func (u *unpickler) newObject() error {
	operands, err := u.pop(2)
	if err != nil {
		return err
	}
	class, ok := operands[0].(global)
	if !ok || !class.scriptClass() || !u.script {
		return u.refuse("makes an instance of %s, want a class of a TorchScript archive", kind(operands[0]))
	}
	if args, ok := operands[1].(tuple); !ok || len(args) != 0 {
		return u.refuse("%s is made of arguments; torch.jit.save gives none", class.dotted())
	}
	u.objects = true
	return u.push(&object{class: class.dotted()})
}

// setState is BUILD on an instance: the attributes of a module. A class that
// defines a state of its own would need its code to read it.
func (u *unpickler) setState(o *object, state any) error {
	d, ok := state.(*dict)
	switch {
	case o.state != nil:
		return u.refuse("sets the state of a %s twice", o.class)
	case !ok || d.ordered:
		return u.refuse("the state of a %.200s is %s, want a dictionary of attributes (save the state_dict() instead)",
			o.class, kind(state))
	}
	for i, key := range d.keys {
		if _, ok := key.(string); !ok {
			return u.refuse("attribute %d of a %.200s is named by %s, want text", i, o.class, kind(key))
		}
	}
	o.state = d
	return u.push(o)
}

// scriptCall is REDUCE of a name that only torch.jit.save uses.
func (u *unpickler) scriptCall(fn global, args tuple) error {
	want := 1
	if fn == restoreTypeTag {
		want = 2 // the value, and its type as text
	}
	if fn.scriptClass() || len(args) != want {
		return u.refuse("%s is called with %d arguments; torch.jit.save does not write that for modules "+
			"(save the state_dict() instead)", fn.dotted(), len(args))
	}
	ok := true
	switch fn {
	case buildIntList, buildDoubleList, buildBoolList, buildTensorList:
		_, ok = args[0].(*list)
	case restoreTypeTag:
		switch args[0].(type) {
		case *list, *dict:
		default:
			ok = false
		}
		if _, text := args[1].(string); !text {
			ok = false
		}
	case torchDevice: // its name stands for it
		_, ok = args[0].(string)
	}
	if !ok {
		return u.refuse("%s of %s: torch.jit.save does not write that", fn.dotted(), kind(args[0]))
	}
	return u.push(args[0])
}

// attributes visits what a module holds, as its state_dict() does: tensors that
// are attributes of it or of the modules in it. Tensors inside lists and
// dictionaries are not parameters or buffers. Numbers and text go to w.value.
func (w *walker) attributes(o *object) error {
	if o.state == nil {
		return nil
	}
	if err := w.spend(len(o.state.values)); err != nil {
		return err
	}
	for i, v := range o.state.values {
		key, _ := o.state.keys[i].(string) // setState has checked, but items may be set later
		if key == "" {
			return w.in.invalid("a %.200s has an attribute without a name", o.class)
		}
		var err error
		switch v := v.(type) {
		case *view, *object:
			err = w.into(key, v)
		default:
			if text, ok := scalarText(v); ok && key != "training" { // every module has that one
				w.path = append(w.path, key)
				err = w.value(w.path, text)
				w.path = w.path[:len(w.path)-1]
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scalarText is a text, a number or a truth value as metadata.
func scalarText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
