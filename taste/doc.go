// Package taste learns what one creator prefers, and says how far that can be trusted.
package taste
