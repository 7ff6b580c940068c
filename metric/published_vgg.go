package metric

// publishedPairs are distances of LPIPS and DISTS.
func publishedPairs() []PublishedValue {
	file := func(name, sum string) PublishedInput { return PublishedInput{Name: name, SHA256: sum} }
	pair := func(instrument string, a, b PublishedInput, value, tolerance float64, source string) PublishedValue {
		return PublishedValue{instrument, []PublishedInput{a, b}, nil, AsRead, []float64{value}, tolerance, source}
	}
	const demo = "dingkeyan93/DISTS, the comment beside its demo"
	const piq = "piq's test against the original, which allows 1e-3"
	all := []PublishedValue{
		pair("dists", file("images/r0.png of dingkeyan93/DISTS", "f42e0b17b9113bdd86731afbf93a4e6c27001e83a55f22d0dfa8c4dff2678521"),
			file("images/r1.png of dingkeyan93/DISTS", "5b61278821f32b31e46f28138e2343a04762e33a3a941a8dbdbd35a8fa6b434d"), 0.3347, 2e-4, demo),
		pair("dists", file("I01.BMP of piq's tests", "43d3c92154c48529fae107749bb60777950ccb8e324b120a63c142f4279df63f"),
			file("i01_01_5.bmp of piq's tests", "74ec08fde9c5e6d6ec0168ca8a6b8c6824d55557c9bd6b816a52b99b2db3e4ed"), 0.17321, 1e-3, piq),
		pair("dists", file("goldhill.gif of piq's tests", "d91c0c802805c8574b938adbf8ee6331fb6c567fbbb161251251d5d711a2d993"),
			file("goldhill_jpeg.gif of piq's tests", "801c0871583503a22c63d257e336bc7e6b34e33381592f31aff987b2096548c4"), 0.19509, 1e-3, piq),
	}
	for _, v := range []struct {
		name, ref, dist string
		lpips, dists    float64
	}{
		{"I03", "28441215ca5b6358e6267717250a02eeec4fa5ef73ae454870b8426320f980a8", "bb817e7fef614dcc12b3a99af33ce3d201bc4d56c4827254c0bcc4fa6ea11151", 0.7237, 0.4742},
		{"I04", "c8500941a30397bc9e613a297e1286bdb955f49926148f58e7963d6e82b03c9f", "f3d685983aacd76b2c131579ea60cee345205a1169a4bd2ff5f3039ecf81729e", 0.2572, 0.1424},
		{"I06", "445c2c0fcb47898e9cd8e6de640f2545621d27cbb248c69ef2c84d8204723061", "726e043e99d8e07235c2535107d4bb6fc85bad0cb3cc7d6ba3ecf3364ac97539", 0.05079, 0.06825},
		{"I08", "b5d6738ece811f45f43c5bce425ad5d18d5c78466989001fe1129fcdd08efdab", "8ad39042d7e17d6c96ecfd8c4b9f0e98c803b303a92d368ef57bc9c3c40f5330", 0.05205, 0.02867},
		{"I19", "b8a2ede827d8db21c45f9ca1fb1c043bcec571b5a7243b4ea1aab3fb4feb7e0b", "e0c6000652d270d1c39b7094761d01e14695fc5aa7cb76b945be6391327ee886", 0.4253, 0.3123},
	} {
		ref := file("ref_dir/"+v.name+".bmp of IQA-PyTorch ResultsCalibra", v.ref)
		dist := file("dist_dir/"+v.name+".bmp of IQA-PyTorch ResultsCalibra", v.dist)
		all = append(all,
			pair("lpips-alex", dist, ref, v.lpips, 2e-4, "IQA-PyTorch ResultsCalibra, the authors' LPIPS v0.1"),
			pair("dists-noresize", dist, ref, v.dists, 2e-4, "IQA-PyTorch ResultsCalibra, the authors' DISTS, which gets tensors and does not resize"))
	}
	return all
}
