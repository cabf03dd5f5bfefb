// Package faults breaks real pools and real servers in known ways and checks what is said about it.
//
// Each scenario has a true cause, or none. The suite prints a confusion matrix of true and said causes, how long it took to
// detect and to recover, and every false alarm.
package faults
