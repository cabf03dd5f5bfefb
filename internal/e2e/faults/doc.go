// Package faults breaks real pools, real servers and the network between them in known ways, and checks what is said about it.
//
// Each scenario has a true cause, or none. The suite prints a confusion matrix of true causes and those that were said first,
// how long it took to detect and to recover, and every false alarm. Everything is as shipped: the default policy, the default
// interval. Only the leak threshold is shorter, for nobody can wait half a minute for each leak.
package faults
