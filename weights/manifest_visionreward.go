package weights

// judgeModels are files that judges are asked by: no networks, but lists and
// weights that others published. They are fetched and not copied into the program.
func judgeModels() []Model {
	const commit = "511960d61a777b2008cd486a85a090ba96792a32"
	file := func(name string, size int64, sum string) File {
		return File{
			Name: name, URL: "https://raw.githubusercontent.com/THUDM/VisionReward/" + commit + "/VisionReward_Image/" + name,
			Size: size, SHA256: sum, Container: PlainText,
		}
	}
	return []Model{{
		Name: "visionreward-questions",
		Files: []File{
			file("VisionReward_image_qa_select.txt", 1067, "2b603df2f4e30fe8879d85e1bf38f30ad8292278b939e31bf88bf7cf9ff22c33"),
			file("weight_select.json", 620, "4b60192fa96e0dda0c9101ed61141f89b85bb9669479e3b8eb42cc10611a68c9"),
		},
		Licence:    "Apache-2.0 (the repository with the list and its weights; the network they were fitted with, under the CogVLM2 licence, is not fetched)",
		LicenceURL: "https://github.com/THUDM/VisionReward/blob/" + commit + "/LICENSE",
		Serves:     []string{"visionreward"}, Tier: Full,
		Source: "THUDM/VisionReward " + commit,
		Paper:  "Xu et al., VisionReward: Fine-Grained Multi-Dimensional Human Preference Learning for Image and Video Generation, arXiv:2412.21059",
		Reference: "30 questions, 28 coefficients: 2.3543 for alignment, 2.5369 for the 27 others together; the formula gives 4.8912 for an alignment of 1 " +
			"and every answer yes, -2.1619 for an alignment of 0 and every answer no, which masks 8 of them",
	}}
}
