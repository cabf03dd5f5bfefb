package postgres

import "syscall"

// memoryDir returns a directory in memory with room for a few servers, or "". A cluster is a thousand small files: there it
// starts three times and creates a database ten times as fast. Containers often have 64 MB, which will not do.
func memoryDir() string {
	const dir, tmpfs, room = "/dev/shm", 0x01021994, 1 << 30 // in a chroot it may be a directory like any other
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || int64(fs.Type) != tmpfs || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return dir
}
