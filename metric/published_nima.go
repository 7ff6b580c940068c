package metric

// publishedNIMA lists the values of idealo's repository. Those of issue 23 were
// printed in April 2019, before the code moved to TensorFlow 2 and its padding, with
// all digits; those of the README's figures are rounded, stand beside the
// pictures, and may be of earlier weights.
func publishedNIMA() []PublishedValue {
	var all []PublishedValue
	for _, v := range []struct {
		file, sum            string
		technical, aesthetic float64
	}{
		{"42039.jpg", "83fbb7027108731df615137406631f552ba630a7ca45cb6f7b27aee6726b225c", 4.647608995437622, 5.228229299085797},
		{"42040.jpg", "7f385fe74544c190a18b66dbabb7924b378ecba8fdab4732490bf855f1aaae73", 4.303698688745499, 4.6879015052109025},
		{"42041.jpg", "4448737ccb2b940a6743d0563670aec84eccc2e968a0e20e0712f9b18bed5181", 4.996936075389385, 5.28654936273233},
		{"42042.jpg", "b4e351d239e14549765c2810ddcf8cd26442237ee55de6a24b5e4082aaf7b123", 3.9691513180732727, 5.127163522876799},
		{"42044.jpg", "15549b8bcd36db1b5654f9970392abaf7583c4ba749b2a6f5915749abd091f94", 3.986619558185339, 5.79500457971551},
	} {
		in := []PublishedInput{{Name: "src/tests/test_images/" + v.file + " of idealo/image-quality-assessment", SHA256: v.sum}}
		const source = "idealo/image-quality-assessment issue 23"
		all = append(all,
			PublishedValue{"nima-technical", in, nil, AsRead, []float64{v.technical}, 1e-4, source},
			PublishedValue{"nima-aesthetic", in, nil, AsRead, []float64{v.aesthetic}, 1e-4, source})
	}
	for _, v := range []struct {
		instrument, folder, file, sum string
		value                         float64
	}{
		{"nima-aesthetic", "images_aesthetic", "aesthetic1.jpg", "a4efbb8f941ec333c469c43cde99e435fe7cae9662a8e9c2cf93a230969efc42", 6.52},
		{"nima-aesthetic", "images_aesthetic", "aesthetic2.jpg", "", 5.58}, // too large for the copy that the others' digests are from
		{"nima-aesthetic", "images_aesthetic", "aesthetic4.jpg", "0e7e2b0916c6aaa54e4c12bfae7c1ab03c93068565e50f7d9723c68ad2218672", 5.53},
		{"nima-aesthetic", "images_aesthetic", "aesthetic6.jpg", "630da20cdc81733c9666325e4e8864f8f4eaca69517ed70774c472b453edc6c3", 5.04},
		{"nima-aesthetic", "images_aesthetic", "aesthetic3.jpg", "d9925d6b9ca46a7b112d2932babcf0a73ec480fe6aa28d01767abc72669e496d", 4.92},
		{"nima-aesthetic", "images_aesthetic", "aesthetic5.jpg", "9a96b137a1f08c3b1f43e2f4427d8b3b7133ca05d55a59d99bd83d8afcf823cd", 4.29},
		{"nima-technical", "images_technical", "technical4.bmp", "28441215ca5b6358e6267717250a02eeec4fa5ef73ae454870b8426320f980a8", 8.04},
		{"nima-technical", "images_technical", "technical5.bmp", "9e15b4a0d993464c54d80744a85c108805866542a55eebd04acafe2fa9e4b6b5", 4.61},
		{"nima-technical", "images_technical", "technical6.bmp", "bb817e7fef614dcc12b3a99af33ce3d201bc4d56c4827254c0bcc4fa6ea11151", 1.92},
		{"nima-technical", "images_technical", "technical1.jpg", "ece6fdac8f1683759e519e2b3e811d94af38a0cb0dc7840793230ebe73441088", 5.73},
		{"nima-technical", "images_technical", "techncial3.jpg", "bc8e2ffcde32b1de71d14cd9d29c8ba76f7c8bfe1721c5f8f50eecefbfc68912", 4.31},
		{"nima-technical", "images_technical", "techncial2.jpg", "01543995d0ee1c72eb973fc3694b5658c6f8be6719e49667ebc8245705794d17", 4.22},
	} {
		all = append(all, PublishedValue{v.instrument, []PublishedInput{{Name: "readme_figures/" + v.folder + "/" + v.file + " of idealo/image-quality-assessment", SHA256: v.sum}},
			nil, AsRead, []float64{v.value}, 0.02, "the README's figure; which file is which was seen by eye, and the weights may be earlier ones"})
	}
	return all
}
