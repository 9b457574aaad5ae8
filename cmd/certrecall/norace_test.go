//go:build !race

package main

// memoryFactor: without the race detector a process takes what it takes.
const memoryFactor = 1
