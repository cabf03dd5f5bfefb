package stack

import (
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

// compose loads docker-compose.yml as `docker compose` would with COMPOSE_PROFILES set to profiles.
func compose(t *testing.T, profiles string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{path(t, "docker-compose.yml")},
		cli.WithEnv([]string{"COMPOSE_PROFILES=" + profiles}), cli.WithProfiles(strings.Fields(profiles)))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// pinned is an image with a version of at least two numbers: not "latest", nor a major version that moves.
var pinned = regexp.MustCompile(`:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$`)

// unchecked are the services without a health check, and why.
var unchecked = map[string]string{
	"demo":                 "its image has one program, which ends when it fails",
	"otel-collector":       "its image has one program, which cannot check itself: otel-collector-ready asks it",
	"otel-collector-ready": "is a check",
	"jaeger":               "nobody waits for it",
}

func TestComposeFile_StartsWhatItSays(t *testing.T) {
	project := compose(t, "jaeger")
	for _, want := range []string{"postgres", "demo", "otel-collector", "prometheus", "alertmanager", "grafana", "tempo", "loki", "jaeger"} {
		if _, ok := project.Services[want]; !ok {
			t.Errorf("no service %s", want)
		}
	}
	for name, s := range project.Services {
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s: mount %s: read-only %v, %v", name, v.Source, v.ReadOnly, err)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, p.Published, p.HostIP)
			}
		}
		if _, excused := unchecked[name]; excused == (s.HealthCheck != nil) {
			t.Errorf("%s: has a health check: %v, is excused from having one: %v", name, s.HealthCheck != nil, excused)
		}
		for other, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionHealthy && project.Services[other].HealthCheck == nil {
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
		}
	}
}

// TestGrafana_LetsItsVisitorsFollowItsLinks: exemplars and log records open in Explore, which the role Viewer may not use.
func TestGrafana_LetsItsVisitorsFollowItsLinks(t *testing.T) {
	role := compose(t, "").Services["grafana"].Environment["GF_AUTH_ANONYMOUS_ORG_ROLE"]
	if role == nil || *role != "Editor" {
		t.Errorf("whoever comes is %v, want an Editor", role)
	}
}

// TestCollector_AcceptsHowComposeStartsIt has the Collector validate its command line, with and without Jaeger.
func TestCollector_AcceptsHowComposeStartsIt(t *testing.T) {
	binary, err := collector.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for profiles, exporters := range map[string]string{"": "[otlp_grpc/tempo]", "jaeger": "[otlp_grpc/tempo, otlp_grpc/jaeger]"} {
		s := compose(t, profiles).Services["otel-collector"]
		args := slices.Clone([]string(s.Command))
		if !strings.HasSuffix(args[len(args)-1], exporters) {
			t.Errorf("profiles %q: traces go to %s, want %s", profiles, args[len(args)-1], exporters)
		}
		for i, arg := range args {
			for _, v := range s.Volumes {
				args[i] = strings.Replace(arg, "="+v.Target, "=file:"+v.Source, 1)
			}
		}
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"validate"}, args...)...)
		for key, value := range s.Environment {
			cmd.Env = append(cmd.Env, key+"="+*value)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("profiles %q: validate %q: %v\n%s", profiles, args, err, out)
		}
	}
}

// TestDemoImage_IsOneStaticProgramForNobody does what the Dockerfile does where that needs no Docker.
func TestDemoImage_IsOneStaticProgramForNobody(t *testing.T) {
	build := compose(t, "").Services["demo"].Build
	text, err := os.ReadFile(filepath.Join(build.Context, build.Dockerfile))
	if err != nil {
		t.Fatal(err)
	}
	var compile string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
		case words[0] == "FROM" && words[1] != "scratch" && !pinned.MatchString(words[1]):
			t.Errorf("image %s is not pinned", words[1])
		case words[0] == "USER" && !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(words[1]):
			t.Errorf("it runs as %s", words[1]) // by number: scratch has no /etc/passwd
		case strings.Contains(line, "go build"):
			compile = strings.TrimPrefix(strings.TrimSpace(line), "RUN ")
		}
	}
	if !strings.Contains(string(text), "\nUSER ") {
		t.Error("it runs as root")
	}
	program := filepath.Join(t.TempDir(), "demo")
	if err := shell(t.Context(), build.Context, "GOOS=linux "+strings.Replace(compile, "-o /demo", "-o "+program, 1)); err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v (%v): scratch has no libraries", libraries, err)
	}
}

func shell(ctx context.Context, dir, command string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	return cmd.Run()
}
