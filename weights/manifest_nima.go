package weights

// nimaModels are idealo's two networks. The same file names held other contents
// before 2018-07-09, so copies elsewhere may be of other weights: git's names of
// the contents at the commit are what a pull compares.
func nimaModels() []Model {
	return []Model{
		nima("nima-aesthetic", "weights_mobilenet_aesthetic_0.07.hdf5", "003fb321ce92445e41d708144a3656589f9214e7",
			"README, AVA, a random tenth: EMD 0.071, LCC 0.626, SRCC 0.609; issue 23, src/tests/test_images 42039 to 42044: "+
				"5.228229 4.687902 5.286549 5.127164 5.795005"),
		nima("nima-technical", "weights_mobilenet_technical_0.11.hdf5", "5e4a4ca2ce639309bfa4038d0bc10ba92b93bd26",
			"README, TID2013, split by reference: EMD 0.107, LCC 0.652, SRCC 0.675; issue 23, src/tests/test_images 42039 to 42044: "+
				"4.647609 4.303699 4.996936 3.969151 3.986620"),
	}
}

func nima(name, file, blob, reference string) Model {
	const commit = "dceaf7c2d218bc6e80b21d6e147e3b56a21b7f31"
	return Model{
		Name: name,
		Files: []File{{
			Name:      file,
			URL:       "https://raw.githubusercontent.com/idealo/image-quality-assessment/" + commit + "/models/MobileNet/" + file,
			GitBlob:   blob,
			Container: HDF5,
		}},
		Licence:    "Apache-2.0 (the repository, which states no other licence for the weights)",
		LicenceURL: "https://github.com/idealo/image-quality-assessment/blob/master/LICENSE",
		Serves:     []string{name}, Tier: Full,
		Source:    "idealo/image-quality-assessment " + commit,
		Paper:     "Talebi and Milanfar, NIMA: Neural Image Assessment, IEEE Transactions on Image Processing 2018, arXiv:1709.05424",
		Reference: reference,
	}
}
