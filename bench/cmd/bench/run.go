package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"kith/bench/load"
	"kith/bench/report"
	"kith/bench/systems"
	"kith/bench/weight"
)

// twoProcesses are the systems that are measured with a server in a process of
// its own as well.
var twoProcesses = map[string]bool{"kith": true, "grpc": true}

// runners makes what measures each system. Files go to tmp.
func (s *settings) runners(ctx context.Context, tmp string) ([]load.Runner, error) {
	id, err := load.NewIdentity(tmp)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var all []load.Runner
	for _, sys := range systems.All() {
		here := load.Here{System: sys, Identity: id}
		if twoProcesses[sys.Name()] {
			here.Far = func() *exec.Cmd { return exec.Command(exe, "-serve", sys.Name(), "-dir", tmp) }
		}
		all = append(all, here)
	}
	for _, c := range children() {
		if !s.wants(c) {
			continue
		}
		child, err := c.start(ctx, tmp)
		if err != nil {
			return nil, err
		}
		all = append(all, child)
	}
	return all, nil
}

// wants tells whether any case of a child is to run.
func (s *settings) wants(child child) bool {
	for _, c := range load.Cases() {
		if !c.TwoProcesses && c.Open == child.open && (s.only == nil || s.only.MatchString(c.Name()+" "+child.name)) {
			return true
		}
	}
	return false
}

// weigh builds what -only picks of the programs.
func (s *settings) weigh(ctx context.Context) []report.Result {
	var all []report.Result
	for _, p := range weight.Programs() {
		if ctx.Err() != nil || s.only != nil && !s.only.MatchString(weight.Case+" "+p.Name) {
			continue
		}
		values, err := weight.Weigh(ctx, ".", p)
		if errors.Is(err, load.ErrUnsupported) {
			continue
		}
		r := report.Result{System: p.Name, Case: weight.Case, Values: values}
		if err != nil {
			r.Err = err.Error()
			fmt.Fprintln(os.Stderr, r.Err)
		} else {
			fmt.Fprintf(os.Stderr, "weight %s: %.1f MB, %.0f packages\n", p.Name, values[weight.MB], values[weight.Packages])
		}
		all = append(all, r)
	}
	return all
}

// show prints the report, writes the page, and fails if -check says so. Of
// targets that -only leaves out it says nothing.
func (s *settings) show(r *report.Report) error {
	targets := report.Targets()
	findings := r.Check(targets)
	if s.only != nil {
		findings = slices.DeleteFunc(findings, func(f report.Finding) bool {
			return f.State == report.NotMeasured || f.State == report.Later
		})
	}
	if s.json {
		if err := r.JSON(os.Stdout, targets); err != nil {
			return err
		}
	} else {
		tables := r.Tables()
		if len(findings) > 0 {
			tables = append(tables, report.CheckTable(findings))
		}
		for _, t := range tables {
			if err := t.Text(os.Stdout); err != nil {
				return err
			}
		}
	}
	if s.write != "" {
		if err := s.page(r, targets); err != nil {
			return err
		}
	}
	if wrong := r.Errors(); len(wrong) > 0 {
		return fmt.Errorf("%d runs failed; the first: %s", len(wrong), wrong[0])
	}
	if !s.check {
		return nil
	}
	missed := 0
	for _, f := range findings {
		if f.State == report.Missed || f.State == report.NotMeasured {
			missed++
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d targets missed or not measured", missed, len(findings))
	}
	return nil
}

func (s *settings) page(r *report.Report, targets []report.Target) error {
	f, err := os.Create(s.write)
	if err != nil {
		return err
	}
	return errors.Join(r.Page(f, targets), f.Close())
}
