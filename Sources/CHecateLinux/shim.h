#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>

// glibc declares these for _GNU_SOURCE only, with which Swift's own module of glibc was not made. The macro must not be defined
// here: structures of glibc would then differ between two modules. Nor are their headers included: what is in them would belong to
// this module in one file and to Glibc in another, whichever was compiled first.

/// From <sched.h>: the processor that the calling thread runs on.
int sched_getcpu(void);

struct sockaddr;

/// From <sys/socket.h>; `unsigned int` is `socklen_t`.
int accept4(int, struct sockaddr *, unsigned int *, int);

/// From <pthread.h>: the name that `ps` and a debugger show, at most 15 bytes; `unsigned long` is `pthread_t`.
int pthread_setname_np(unsigned long, const char *);

/// From <unistd.h>: a pipe with flags, such as that its ends are closed in other programs.
int pipe2(int[2], int);

/// From <spawn.h>: the new program gets no descriptor from this one on; `void` is `posix_spawn_file_actions_t`.
int posix_spawn_file_actions_addclosefrom_np(void *, int);
