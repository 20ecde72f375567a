// Command pause does what the first process of a namespace must: it waits, it
// collects children that nobody else waits for, and it ends when told to.
//
// It is both the init of a node's box and the only file of the image that
// holds a pod's namespaces open.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for {
		collect()
		if received := <-signals; received != syscall.SIGCHLD {
			return
		}
	}
}

// collect takes the exit status of every child that has ended.
func collect() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
	}
}
