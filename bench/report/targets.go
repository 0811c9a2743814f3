package report

import (
	"kith/bench/load"
	"kith/bench/weight"
)

// The systems that targets are about.
const (
	kith     = "kith"
	kithQUIC = "kith quic"
	grpc     = "grpc"
	nats     = "nats"
	quic     = "quic"
	kithRLPx = "kith rlpx"
	geth     = "geth"
	tcp      = "tcp"
)

// Targets is what is promised for requests over ports, for one way and
// unreliable messages, for open networks, and for weight.
func Targets() []Target {
	all := requests()
	all = append(all, mixed()...)
	all = append(all, oneWay()...)
	all = append(all, datagrams()...)
	all = append(all, open()...)
	return append(all, weights()...)
}

// requests has a row for each case: the most CPU and the least rate against
// gRPC. Zero means that nothing is promised.
func requests() []Target {
	var all []Target
	for _, row := range []struct {
		system, name string
		cpu, rate    float64
	}{
		{kith, "echo/64B/1", 0.40, 0},
		{kith, "echo/64B/64", 0.10, 8},
		{kith, "echo/64B/512", 0.07, 12},
		{kith, "echo/1KiB/1", 0.42, 0},
		{kith, "echo/1KiB/64", 0.15, 6},
		{kith, "echo/1KiB/512", 0.15, 6},
		{kith, "echo/64KiB/1", 0.45, 0},
		{kith, "echo/64KiB/64", 0.32, 2.5},
		{kith, "echo/1MiB/1", 0.75, 0},
		{kith, "echo/1MiB/64", 0.70, 1.3},
		{kith, "2p/echo/64B/1", 0.50, 0},
		{kithQUIC, "echo/64B/1", 0.75, 0},
		{kithQUIC, "echo/64B/64", 0.15, 0},
		{kithQUIC, "echo/1KiB/64", 0.35, 0},
	} {
		all = append(all, against(row.name, load.CPU, row.system, grpc).most(row.cpu))
		if row.rate != 0 {
			all = append(all, against(row.name, load.Rate, row.system, grpc).least(row.rate))
		}
	}
	return append(all,
		against("echo/64B/64", load.Rate, kith, nats).least(4),
		against("echo/64B/1", load.P50, kith, grpc).most(0.45),
		Target{Of: Term{kith, "echo/64B/64", load.Allocs}, Most: 2},
		Target{Of: Term{kith, "echo/64B/1", load.Allocs}, Most: 4},
	)
}

func mixed() []Target {
	const name = "mixed/64B"
	return []Target{
		{Of: Term{kith, name, load.P50}, Per: Term{kith, name, load.IdleP50}, Most: 6},
		against(name, load.P99, kith, grpc).most(0.15),
		against(name, load.Bulk, kith, grpc).least(1),
	}
}

func oneWay() []Target {
	return []Target{
		against("oneway/64B", load.Rate, kith, grpc).least(6),
		against("oneway/64B", load.Rate, kith, nats).least(4),
		against("oneway/1KiB", load.Rate, kith, grpc).least(3.5),
		against("oneway/64KiB", load.Rate, kith, grpc).least(2),
	}
}

// datagrams compares the most that Kith delivers while it loses at most a
// hundredth with the most that quic-go delivers at any loss.
func datagrams() []Target {
	row := func(size string, least float64) Target {
		return Target{
			Of:    Term{kith, "datagram/" + size + "/kept", load.Rate},
			Per:   Term{quic, "datagram/" + size + "/best", load.Rate},
			Least: least,
		}
	}
	return []Target{row("64B", 2), row("1KiB", 1)}
}

func weights() []Target {
	row := func(program string, m load.Metric, most float64) Target {
		return Target{Of: Term{program, weight.Case, m}, Most: most}
	}
	return []Target{
		row("kith/p2p", weight.MB, 5),
		row("kith/p2p", weight.Others, 10),
		row("kith/cluster", weight.MB, 9),
		row("cmd/kith", weight.MB, 30),
		row("cmd/kith", weight.Modules, 18),
	}
}
