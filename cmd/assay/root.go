package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// configFile is the settings file of a workspace.
const configFile = "assay.yaml"

// newRoot returns the whole command line.
func newRoot(w world) *cobra.Command {
	root := &cobra.Command{
		Use:   "assay",
		Short: "Measure generated images instead of making numbers up",
		Long: `assay measures generated images: readings from instruments, pass/fail gates, a
map of how much of the possible space has been covered, and pairwise
comparisons by people. No model is ever asked for a score out of ten.

Flags can also be set by the environment (ASSAY_ and the flag's name in
capitals, - written _) and, for commands that work on a workspace, in its
` + configFile + ` by their names. The command line wins over the environment, the
environment over the file.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but something was refused
or not measured.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          help,
	}
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().BoolP("verbose", "v", false, "tell on standard error what is being done")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v; see `%s --help`", err, c.CommandPath())
	})
	root.AddCommand(
		newDemo(w), newInit(w), newAdd(w), newScore(w), newDistance(w), newEmbed(w), newSet(w),
		newJudge(w), newRank(w), newRound(w), newCompass(w), newTrust(w), newCalibrate(w), newAxes(w), newArchive(w), newGate(w), newDiagnose(w), newExport(w), newImport(w),
		newModels(w), newRuntime(w), newServe(w), newDoctor(w), newBench(w),
	)
	for _, c := range commands(root) {
		if c.RunE == nil { // a word that only groups others
			c.Args, c.RunE = cobra.NoArgs, help
		} else if c != root {
			c.PreRunE = func(c *cobra.Command, _ []string) error { return settle(c, w) }
		}
		if c.Args != nil {
			c.Args = usageArgs(c.Args)
		}
	}
	return root
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

// lineOnly marks flags that only the command line may set: what would be a
// surprise coming from the environment or a file.
func lineOnly(c *cobra.Command, names ...string) {
	for _, name := range names {
		if f := c.Flags().Lookup(name); f != nil {
			f.Annotations = map[string][]string{"line-only": {"true"}}
		}
	}
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usage("%v; see `%s --help`", err, c.CommandPath())
		}
		return nil
	}
}

// commands lists c and all below it.
func commands(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		out = append(out, commands(sub)...)
	}
	return out
}

// settle fills in the flags that were not given: from the environment, then
// from the workspace's settings file.
func settle(c *cobra.Command, w world) error {
	file, settings, err := readSettings(c, w)
	if err != nil {
		return err
	}
	var bad error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Name == "version" || f.Annotations["line-only"] != nil || bad != nil {
			return
		}
		from, value := "environment "+envName(f.Name), w.getenv(envName(f.Name))
		if value == "" {
			from, value = file, settings[f.Name]
		}
		if value == "" {
			return
		}
		if err := c.Flags().Set(f.Name, value); err != nil {
			bad = usage("%s: %s: %v", from, f.Name, err)
		}
	})
	return bad
}

func envName(flag string) string {
	return "ASSAY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readSettings reads the workspace's settings file, if the command has a
// workspace and the workspace has the file. Unknown keys are errors.
func readSettings(c *cobra.Command, w world) (string, map[string]string, error) {
	flag := c.Flags().Lookup("dir")
	if flag == nil {
		return "", nil, nil
	}
	dir := flag.Value.String()
	if !flag.Changed && flag.Annotations["line-only"] == nil && w.getenv("ASSAY_DIR") != "" {
		dir = w.getenv("ASSAY_DIR")
	}
	if dir == "" {
		return "", nil, nil
	}
	file := filepath.Join(dir, configFile)
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return "", nil, usage("%s: %s", file, yaml.FormatError(err, false, true))
	}
	known := flagNames(c.Root())
	out := map[string]string{}
	for key, value := range raw {
		if !slices.Contains(known, key) {
			return "", nil, usage("%s: unknown setting %q; settings are named as flags: %s", file, key, strings.Join(known, ", "))
		}
		if out[key], err = settingText(value); err != nil {
			return "", nil, usage("%s: %s: %v", file, key, err)
		}
	}
	return file, out, nil
}

func settingText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case []any:
		var parts []string
		for _, x := range v {
			part, err := settingText(x)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		return "", fmt.Errorf("want a value or a list, found a table")
	default:
		return fmt.Sprint(v), nil
	}
}

// flagNames lists every flag of the program but dir, which finds the file.
func flagNames(root *cobra.Command) []string {
	seen := map[string]bool{}
	for _, c := range commands(root) {
		for _, set := range []*pflag.FlagSet{c.LocalFlags(), c.InheritedFlags()} {
			set.VisitAll(func(f *pflag.Flag) { seen[f.Name] = true })
		}
	}
	var names []string
	for name := range seen {
		if name != "help" && name != "version" && name != "dir" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// logger writes what is being done to standard error, if asked to.
func logger(c *cobra.Command, w world) *slog.Logger {
	if verbose, _ := c.Flags().GetBool("verbose"); verbose {
		return slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// version names the build: the module's version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (info.Main.Version == "" || info.Main.Version == "(devel)") {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
