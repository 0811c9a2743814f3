// Package cluster is a private cluster in one struct.
package cluster
