package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBinaries_NewestReleaseComesFirst(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, release := range []string{"9.6", "16", "15", "17"} {
		if err := os.MkdirAll(filepath.Join(base, release, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, dir := range newestFirst(filepath.Join(base, "*", "bin")) {
		got = append(got, filepath.Base(filepath.Dir(dir)))
	}
	if want := []string{"17", "16", "15", "9.6"}; !slices.Equal(got, want) {
		t.Errorf("order is %v, want %v", got, want)
	}
}

func TestBinaries_InPathWinOverPackagedOnes(t *testing.T) {
	release := fakeRelease(t, 0o755)
	t.Setenv("PATH", release)
	assertFound(t, release)
}

func TestBinaries_LinkInPathLeadsToTheReleaseItPointsInto(t *testing.T) {
	release, links := fakeRelease(t, 0o755), t.TempDir()
	if err := os.Symlink(filepath.Join(release, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	assertFound(t, release)
}

func TestBinaries_ThatCannotRunAreNotFound(t *testing.T) {
	t.Parallel()
	_, err := findBinaries(fakeRelease(t, 0o644))
	assertIs(t, err, ErrNotInstalled)
}

func fakeRelease(t *testing.T, mode os.FileMode) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func assertFound(t *testing.T, dir string) {
	t.Helper()
	found, err := findBinaries("")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(found.initdb) != dir || filepath.Dir(found.postgres) != dir {
		t.Errorf("found %+v, want %s", found, dir)
	}
}
