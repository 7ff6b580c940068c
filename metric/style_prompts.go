package metric

// A styleClass is one of WikiArt's styles, with what a caption may say of it.
type styleClass struct {
	name   string // as WikiArt's list has it
	called string // in captions
	traits string // what it looks like, for names that captions seldom use
	merged string // the class it counts as when near-synonyms are merged
}

// styleClasses lists the 27 styles of the WikiArt split that classifiers are
// trained on, in its order.
func styleClasses() []styleClass {
	const cubism, renaissance, realism, abstract = "Cubism", "Renaissance", "Realism", "Abstract Expressionism"
	own := func(name, called, traits string) styleClass { return styleClass{name, called, traits, name} }
	return []styleClass{
		{"Abstract Expressionism", "Abstract Expressionism", "a large abstract canvas of spontaneous, sweeping brushwork", abstract},
		{"Action painting", "action painting", "an abstract canvas of dripped, poured and flung paint", abstract},
		{"Analytical Cubism", "Analytical Cubism", "a figure or still life broken into small interlocking facets of brown and grey", cubism},
		own("Art Nouveau", "Art Nouveau", "a decorative picture of flowing plant-like lines, flat colours and ornament"),
		own("Baroque", "the Baroque", "a dramatic scene of strong light in deep shadow, rich colour and movement"),
		own("Color Field Painting", "color field painting", "an abstract canvas of few large, soft-edged areas of flat colour"),
		{"Contemporary Realism", "contemporary realism", "a sober, exact painting of ordinary people or things of the late twentieth century", realism},
		{"Cubism", "Cubism", "a figure or still life in simple geometric planes seen from several sides at once", cubism},
		{"Early Renaissance", "the Early Renaissance", "a fifteenth-century Italian painting of calm figures in simple perspective", renaissance},
		own("Expressionism", "Expressionism", "a picture of distorted shapes and harsh, unnatural colours full of feeling"),
		own("Fauvism", "Fauvism", "a picture of pure, wild, unmixed colours in bold patches"),
		{"High Renaissance", "the High Renaissance", "a balanced, harmonious Italian painting of ideal figures with soft shading", renaissance},
		own("Impressionism", "Impressionism", "an outdoor scene in short, visible strokes of bright, changing light"),
		{"Mannerism (Late Renaissance)", "Mannerism of the late Renaissance", "a painting of elongated, elegantly twisted figures in crowded space", renaissance},
		own("Minimalism", "Minimalism", "an abstract work of bare geometric shapes and almost nothing else"),
		own("Naive Art (Primitivism)", "naive art", "a childlike, flat, detailed picture without perspective, by a self-taught painter"),
		{"New Realism", "New Realism", "a plain twentieth-century picture of everyday city life and things", realism},
		{"Northern Renaissance", "the Northern Renaissance", "a minutely detailed Flemish or German painting of the fifteenth or sixteenth century", renaissance},
		own("Pointillism", "Pointillism", "a picture made entirely of small dots of pure colour"),
		own("Pop Art", "Pop Art", "a picture of adverts, comics and consumer goods in flat, loud colours"),
		own("Post-Impressionism", "Post-Impressionism", "a landscape or figure in strong outlines, rhythmic strokes and symbolic colour"),
		{"Realism", "Realism", "a nineteenth-century painting of working people and nature as they are", realism},
		own("Rococo", "Rococo", "a light, playful picture of elegant company in pastel colours and curving ornament"),
		own("Romanticism", "Romanticism", "a stirring picture of wild nature, ruins, storms or heroic emotion"),
		own("Symbolism", "Symbolism", "a dreamlike, mysterious picture of myths, spirits and visions"),
		{"Synthetic Cubism", "Synthetic Cubism", "a collage-like picture of flat, bright, overlapping shapes and pasted patterns", cubism},
		own("Ukiyo-e", "ukiyo-e", "a Japanese woodblock print of flat colours and clear outlines"),
	}
}

// stylePrompts returns the captions whose embeddings make up a class.
func (c styleClass) prompts() []string {
	return []string{
		"a painting in the style of " + c.called,
		"an artwork of " + c.called,
		"a work of art that belongs to " + c.called,
		"a typical example of " + c.called + " in an art museum",
		"a museum photograph of a picture from " + c.called,
		"a reproduction of a " + c.name + " painting",
		c.called + ": " + c.traits,
		c.traits,
	}
}

// neutralPrompts say "a picture" and nothing of its style.
func neutralPrompts() []string {
	return []string{
		"a painting", "an artwork", "a picture", "a work of art", "an image of a painting", "a painting in an art museum",
		"a reproduction of a painting", "a painting in some style",
	}
}

// artPrompts and otherPrompts are the two sides that artness compares.
func artPrompts() []string {
	return []string{
		"an artwork", "a painting", "a drawing", "a fine art print", "an illustration by an artist", "a work of art in a museum",
		"a painted picture with composition and brushwork", "a digital painting by an artist",
	}
}

func otherPrompts() []string {
	return []string{
		"a photograph", "a snapshot taken with a phone", "a screenshot of a computer program", "a scanned document",
		"random noise", "a plain colour gradient", "a blank image", "a corrupted image full of artefacts", "a product photo on a white background",
	}
}
