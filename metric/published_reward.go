package metric

import "fmt"

// publishedRewards are the four pictures of ImageReward's README with their prompt.
func publishedRewards() []PublishedValue {
	const prompt = "a painting of an ocean with clouds and birds, day time, low depth field effect"
	var all []PublishedValue
	for i, v := range []struct {
		sum   string
		value float64
	}{
		{"a5fcd126763da8b3fe2a9e620fc1ba03d215d20de36c77bf6770a540a9bc972d", 0.5811622738838196},
		{"dc13919a49a37987d19c8be3ba0c1ef2941570f820f90fb66ac91a9a9db24082", 0.2745276093482971},
		{"ee859bac167e6a04cbcde63454757b6fc7d9b8704429c15725ca8c4accf176e3", -1.4131819009780884},
		{"84faf59d59d9ca7ab298c9acb957d727365ae104768ac1a1ec55ab96be68aaf9", -2.029569625854492},
	} {
		file := PublishedInput{Name: fmt.Sprintf("assets/images/%d.webp of THUDM/ImageReward", i+1), SHA256: v.sum}
		all = append(all, PublishedValue{"imagereward", []PublishedInput{file}, []string{prompt}, AsRead, []float64{v.value}, 0.01,
			fmt.Sprintf("THUDM/ImageReward README, which says that values differ a little between devices; rank %d of four", i+1)})
	}
	return all
}
