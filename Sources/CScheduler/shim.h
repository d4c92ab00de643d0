#pragma once

// glibc declares it in <sched.h> for _GNU_SOURCE only, with which Swift's own module of glibc was not made.
int sched_getcpu(void);
