package node

import "golang.org/x/sys/unix"

func remoteFS(s *unix.Statfs_t) (bool, string) {
	return s.Flags&unix.MNT_LOCAL == 0, unix.ByteSliceToString(s.Fstypename[:])
}
