package main

import (
	"strings"
	"testing"
)

func TestVerdict_NamesAllThatGrew(t *testing.T) {
	var flat, rising []point
	for i := range 16 {
		flat = append(flat, point{1 << 20, 10, 300})
		rising = append(rising, point{1 << 20 * float64(i), 10 * float64(i), 300})
	}
	if err := verdict(flat); err != nil {
		t.Error(err)
	}
	err := verdict(rising)
	if err == nil || !strings.Contains(err.Error(), "heap") || !strings.Contains(err.Error(), "goroutines") || strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
}

func TestVerdict_NeedsEnoughMeasurements(t *testing.T) {
	for n := range 2 {
		if err := verdict(make([]point, n)); err == nil {
			t.Errorf("%d measurements are judged", n)
		}
	}
}
