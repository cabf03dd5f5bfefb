// Package stack tests what stands around an application: dashboards, alerts, runbooks and the compose file, with the programs
// that use them.
package stack
