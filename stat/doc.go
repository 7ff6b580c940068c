// Package stat turns counts and samples into estimates that carry their own
// uncertainty.
//
// Everything here is a pure function of its arguments: the same input, and the
// same seed where one is asked for, gives the same output on every machine.
// Input that can never be right is an error wrapping [assay.ErrInvalid]; input
// that gives an answer one should hesitate over comes back with warnings.
package stat
