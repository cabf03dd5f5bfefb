package main

import "testing"

func TestInstructions_AreComparedWhateverTheVersionOfGo(t *testing.T) {
	costs := func(instructions float64) map[string]cost {
		out := make(map[string]cost)
		for _, name := range cases {
			out[name] = cost{Instructions: instructions, Allocations: 1}
		}
		return out
	}
	recorded := record{"go1.26.8 amd64", costs(1000)}
	for _, tt := range []struct {
		version      string
		instructions float64
		fails        bool
	}{
		{"go1.26.8 amd64", 1049, false},
		{"go1.26.8 amd64", 1051, true},
		{"go1.26.9 amd64", 1051, true},
		{"go1.27rc1 amd64", 1051, false},
		{"go1.26.8 arm64", 1249, false},
		{"go1.27.0 amd64", 1251, true},
	} {
		if err := compare(recorded, record{tt.version, costs(tt.instructions)}); (err != nil) != tt.fails {
			t.Errorf("%s, %v instructions: %v", tt.version, tt.instructions, err)
		}
	}
}
