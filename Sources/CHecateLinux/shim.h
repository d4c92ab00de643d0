#pragma once

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// glibc declares these for _GNU_SOURCE only, with which Swift's own module of glibc was not made. The macro must not be defined
// here: structures of glibc would then differ between two modules.

/// From <sched.h>: the processor that the calling thread runs on.
int sched_getcpu(void);

/// From <sys/socket.h>.
int accept4(int, struct sockaddr *, socklen_t *, int);

/// From <pthread.h>: the name that `ps` and a debugger show, at most 15 bytes.
int pthread_setname_np(pthread_t, const char *);
