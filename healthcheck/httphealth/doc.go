// Package httphealth serves the health of pools over HTTP: probes for an orchestrator, and documents for people and monitors.
package httphealth
