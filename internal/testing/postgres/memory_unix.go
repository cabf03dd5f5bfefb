//go:build unix && !linux && !aix && !solaris

package postgres

// memoryDir returns "": no directory in memory is there by custom.
func memoryDir() string { return "" }
