package postgres

import "syscall"

// memoryDir returns a directory in memory with room for a few servers, or "". A cluster is a thousand small files: there it
// starts three times and creates a database ten times as fast. Containers often have 64 MB, which will not do.
func memoryDir() string {
	const dir, room = "/dev/shm", 1 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return dir
}
