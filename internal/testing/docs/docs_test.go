package docs

import "testing"

func TestReplace_ChangesOnlyWhatIsBetweenItsMarkers(t *testing.T) {
	const text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb <!-- y:end -->\n"
	got, err := replace([]byte(text), "x", "new\n")
	if want := "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb <!-- y:end -->\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"y", "z"} {
		if got, err := replace([]byte(text), name, ""); err == nil {
			t.Errorf("%s has not both its markers, and made %q", name, got)
		}
	}
}
