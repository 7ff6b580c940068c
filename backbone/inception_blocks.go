package backbone

// inceptionNet is the architecture, for whatever the layers add to.
type inceptionNet[T any] struct{ layers[T] }

// until applies the network to x, [3, 299, 299], as far as the tap: the last
// block, [2048, 8, 8], or the first branch of a block that is tapped.
func (n inceptionNet[T]) until(tap InceptionTap, x T) T {
	x = n.valid("Conv2d_1a_3x3", x, 32, 3, 2)  // [32, 149, 149]
	x = n.valid("Conv2d_2a_3x3", x, 32, 3, 1)  // [32, 147, 147]
	x = n.same("Conv2d_2b_3x3", x, 64, 3, 3)   // [64, 147, 147]
	x = n.maxPool(x, 2, 0)                     // [64, 73, 73]
	x = n.same("Conv2d_3b_1x1", x, 80, 1, 1)   // [80, 73, 73]
	x = n.valid("Conv2d_4a_3x3", x, 192, 3, 1) // [192, 71, 71]
	x = n.maxPool(x, 2, 0)                     // [192, 35, 35]
	x = n.blockA("Mixed_5b", x, 32)            // [256, 35, 35]
	x = n.blockA("Mixed_5c", x, 64)            // [288, 35, 35]
	x = n.blockA("Mixed_5d", x, 64)            // [288, 35, 35]
	first := n.valid("Mixed_6a.branch3x3", x, 384, 3, 2)
	if tap == Inception6a {
		return first
	}
	x = n.blockB("Mixed_6a", x, first) // [768, 17, 17]
	for _, c := range []struct {
		tap    InceptionTap
		narrow int
	}{{"Mixed_6b", 128}, {"Mixed_6c", 160}, {Inception6d, 160}, {Inception6e, 192}} {
		first = n.same(string(c.tap)+".branch1x1", x, 192, 1, 1)
		if tap == c.tap {
			return first
		}
		x = n.blockC(string(c.tap), x, first, c.narrow) // [768, 17, 17]
	}
	x = n.blockD("Mixed_7a", x)             // [1280, 8, 8]
	x = n.blockE("Mixed_7b", x, n.meanPool) // [2048, 8, 8]
	return n.blockE("Mixed_7c", x, func(x T) T { return n.maxPool(x, 1, 1) })
}

// same is a convolution that keeps height and width.
func (n inceptionNet[T]) same(name string, x T, out, kh, kw int) T {
	return n.conv(normedConv{name, n.channels(x), out, [2]int{kh, kw}, 1, [2]int{kh / 2, kw / 2}}, x)
}

// valid is a convolution without padding.
func (n inceptionNet[T]) valid(name string, x T, out, kernel, stride int) T {
	return n.conv(normedConv{name, n.channels(x), out, [2]int{kernel, kernel}, stride, [2]int{}}, x)
}

// blockA is a block at 35×35.
func (n inceptionNet[T]) blockA(name string, x T, pooled int) T {
	one := n.same(name+".branch1x1", x, 64, 1, 1)
	five := n.same(name+".branch5x5_1", x, 48, 1, 1)
	five = n.same(name+".branch5x5_2", five, 64, 5, 5)
	double := n.same(name+".branch3x3dbl_1", x, 64, 1, 1)
	double = n.same(name+".branch3x3dbl_2", double, 96, 3, 3)
	double = n.same(name+".branch3x3dbl_3", double, 96, 3, 3)
	return n.concat(one, five, double, n.same(name+".branch_pool", n.meanPool(x), pooled, 1, 1))
}

// blockB goes from 35×35 to 17×17; first is its first branch.
func (n inceptionNet[T]) blockB(name string, x, first T) T {
	double := n.same(name+".branch3x3dbl_1", x, 64, 1, 1)
	double = n.same(name+".branch3x3dbl_2", double, 96, 3, 3)
	double = n.valid(name+".branch3x3dbl_3", double, 96, 3, 2)
	return n.concat(first, double, n.maxPool(x, 2, 0))
}

// blockC is a block at 17×17, whose 7×7 kernels are split in two; first is its
// first branch.
func (n inceptionNet[T]) blockC(name string, x, first T, narrow int) T {
	seven := n.same(name+".branch7x7_1", x, narrow, 1, 1)
	seven = n.same(name+".branch7x7_2", seven, narrow, 1, 7)
	seven = n.same(name+".branch7x7_3", seven, 192, 7, 1)
	double := n.same(name+".branch7x7dbl_1", x, narrow, 1, 1)
	double = n.same(name+".branch7x7dbl_2", double, narrow, 7, 1)
	double = n.same(name+".branch7x7dbl_3", double, narrow, 1, 7)
	double = n.same(name+".branch7x7dbl_4", double, narrow, 7, 1)
	double = n.same(name+".branch7x7dbl_5", double, 192, 1, 7)
	return n.concat(first, seven, double, n.same(name+".branch_pool", n.meanPool(x), 192, 1, 1))
}

// blockD goes from 17×17 to 8×8.
func (n inceptionNet[T]) blockD(name string, x T) T {
	three := n.same(name+".branch3x3_1", x, 192, 1, 1)
	three = n.valid(name+".branch3x3_2", three, 320, 3, 2)
	seven := n.same(name+".branch7x7x3_1", x, 192, 1, 1)
	seven = n.same(name+".branch7x7x3_2", seven, 192, 1, 7)
	seven = n.same(name+".branch7x7x3_3", seven, 192, 7, 1)
	seven = n.valid(name+".branch7x7x3_4", seven, 192, 3, 2)
	return n.concat(three, seven, n.maxPool(x, 2, 0))
}

// blockE is a block at 8×8, whose 3×3 kernels end in a row and a column.
func (n inceptionNet[T]) blockE(name string, x T, pool func(T) T) T {
	one := n.same(name+".branch1x1", x, 320, 1, 1)
	three := n.same(name+".branch3x3_1", x, 384, 1, 1)
	double := n.same(name+".branch3x3dbl_1", x, 448, 1, 1)
	double = n.same(name+".branch3x3dbl_2", double, 384, 3, 3)
	return n.concat(one,
		n.same(name+".branch3x3_2a", three, 384, 1, 3), n.same(name+".branch3x3_2b", three, 384, 3, 1),
		n.same(name+".branch3x3dbl_3a", double, 384, 1, 3), n.same(name+".branch3x3dbl_3b", double, 384, 3, 1),
		n.same(name+".branch_pool", pool(x), 192, 1, 1))
}
