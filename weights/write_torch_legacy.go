package weights

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
)

// WriteTorchLegacy writes the pieces as torch.save did before PyTorch 1.6, and
// still does with _use_new_zipfile_serialization=False: a stream of five pickles,
// then the values of one tensor after the other. torch.load reads it, also with
// weights_only. Older official files, torchvision's among them, have this container.
//
// What opt says, how pieces are made, and the errors are as with [WriteTorchZip];
// its comment is an entry of the system information, which loaders pass over. Values
// are not aligned.
func WriteTorchLegacy(ctx context.Context, w io.Writer, pieces []Piece, opt TorchZipOptions) error {
	planned, err := planTorch(pieces)
	if err != nil {
		return err
	}
	object := newPickleWriter()
	object.legacy = true
	if err := object.torchDict(planned, opt); err != nil {
		return err
	}
	object.op(opStop)
	head := append([]byte(nil), torchMagic...)
	for _, p := range []*pickleWriter{legacyProtocolPickle(), legacySystemPickle(opt.Comment), object, storageKeys(len(object.storages))} {
		head = append(head, p.Bytes()...)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, p := range object.storages {
		raw, err := p.make(ctx)
		if err != nil {
			return err
		}
		count := binary.LittleEndian.AppendUint64(nil, uint64(p.length/dtype(p.DType).size()))
		for _, part := range [][]byte{count, raw} {
			if err := writeAll(ctx, w, part); err != nil {
				return fmt.Errorf("tensor %.100q: %w", p.Name, err)
			}
		}
	}
	return nil
}

func legacyProtocolPickle() *pickleWriter {
	w := newPickleWriter()
	w.number(legacyProtocol)
	w.op(opStop)
	return w
}

// legacySystemPickle says how values are stored. The sizes of C's types are those
// that PyTorch writes everywhere; nobody reads them.
func legacySystemPickle(comment string) *pickleWriter {
	w := newPickleWriter()
	w.op(opEmptyDict, opMark)
	w.text("protocol_version")
	w.number(legacyProtocol)
	w.text("little_endian")
	w.truth(true)
	w.text("type_sizes")
	w.op(opEmptyDict, opMark)
	for _, t := range []struct {
		name string
		size int64
	}{{"short", 2}, {"int", 4}, {"long", 4}} {
		w.text(t.name)
		w.number(t.size)
	}
	w.op(opSetItems)
	if comment != "" {
		w.text("comment")
		w.text(comment)
	}
	w.op(opSetItems, opStop)
	return w
}

// storageKeys lists the keys of n storages in the order in which they follow.
func storageKeys(n int) *pickleWriter {
	w := newPickleWriter()
	w.op(opEmptyList, opMark)
	for i := range n {
		w.text(fmt.Sprint(i))
	}
	w.op(opAppends, opStop)
	return w
}
