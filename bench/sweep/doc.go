// Package sweep runs a grid of settings, each cell in a sandbox of its own, and says which of them have an effect.
package sweep
