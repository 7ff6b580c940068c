// Package assay holds the words of the house: what an image, a reading, a gate,
// a judgment and a placement are. It is also where the tour begins.
//
// assay measures generated images instead of making numbers up. A creator or a
// generator loop hands it images; it answers with readings from instruments,
// pass/fail gates, yes/no answers by models that are themselves examined, pairwise
// judgments by people and models, and a map of how much of the possible space has
// been covered. No model is ever asked for a score out of ten, and there is no
// total score anywhere.
//
// # The tour, from the ground up
//
// Level 0 knows nothing but bytes and numbers. Package pixel turns files into
// pixels, exactly as Pillow does, under limits that are checked before anything
// is allocated; it also makes the tensors that networks read, and reads the
// prompts that generators leave in their files. Package token does for prompts
// what pixel does for pictures: it turns text into the numbers that networks
// read, exactly as the authors' tokenizers do: CLIP's byte pairs and BERT's word
// pieces. Package onnx builds graphs and writes them as data; it runs nothing.
// Package gemm multiplies matrices whose weights are stored in the order in which
// they are read. Package weights reads checkpoints
// (safetensors, PyTorch zip, legacy and TorchScript, Keras HDF5, npz, LIBSVM) without
// executing a byte of them, keeps the table of models with their licences and
// digests, turns official files into prepared ones, and writes made-up
// checkpoints in the official containers.
// Package stat is intervals, quantiles and agreement, the distances of sets of
// vectors (Fréchet, kernels, manifolds, diversity), and tests of whether a series
// converges or a stream has drifted; package index finds nearest neighbours, exactly.
//
// Level 1 gives these a use. Package nn has layers over graphs. Package ort runs
// graphs on ONNX Runtime through a binding without cgo, and finds or installs
// the library. Package rank fits Bradley–Terry models with ties to comparisons,
// by one rater or by many at once, and says how far each strength and each rater
// can be trusted. Package store is the one
// durable place: facts are appended, never changed. Package judge/vlm asks
// vision-language models over HTTP, with a cache, a budget and a ledger around it;
// judge/judgetest stands in for them in tests.
//
// Level 2: package backbone describes networks, a file a family, a row a
// variant: one vision transformer serves CLIP, DINO, DreamSim and BLIP, beside
// convolutional ones (VGG, AlexNet, SqueezeNet, Inception, MobileNet), and what
// containers call the parts is a map. Package gate compares readings with
// thresholds, and computes thresholds from controls and from people's judgments.
// Package taste learns one person's reward and where it points. Package archive is the quality-diversity map: a grid
// of cells, each with one elite and the challengers that wait to be compared
// with it. Package judge has models answer yes/no questions, compare two images in
// both orders and write a few verified sentences, never score, and examines how
// far each can be trusted. Package taste learns what one creator prefers, and says
// how far that can be trusted.
//
// Level 3: package metric is the catalogue of instruments, with direction,
// range, source, and how each was checked against its reference. Instruments
// that stand on the same large network, a tower, share it and what it saw of a
// picture; an embedding is stored once and serves them all. Measures of sets stand
// on rows of features, and keep states that merge.
//
// Level 4: package series makes the moves of an image's life: ingest, measure,
// gate, place, ask judges, ask a person, calibrate, diagnose. It needs a store,
// instruments and judges, and says so in small interfaces.
//
// Level 5: package web serves the pages. Level 6: cmd/assay is flags, settings
// and wiring.
//
// Arrows point down this list, never up; a test that reads the imports holds
// them.
//
// # Facts and conclusions
//
// Images, readings, controls, thresholds, decisions, answers, comparisons and
// judgments are rows that are appended with their provenance. Verdicts, trust in
// judges, the archive and the ranking are
// computed from them whenever they are looked at. So a run that is killed loses
// nothing, a repeated one does nothing twice, and deleting every conclusion
// loses nothing.
package assay
