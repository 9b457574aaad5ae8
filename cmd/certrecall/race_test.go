//go:build race

package main

// memoryFactor is how much more memory a process may take under the race
// detector, whose shadow memory is a multiple of what the program holds.
const memoryFactor = 4
