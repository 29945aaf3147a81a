// SPDX-License-Identifier: Apache-2.0
// Functions of the C library that Swift's Glibc module does not import.
#pragma once
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

// In glibc since 2.2, declared only by libcap's header. Source: capset(2).
int capget(void *header, void *data);
int capset(void *header, const void *data);

// sched_setattr(2), of which glibc has known since 2.41: SCHED_OTHER, this niceness, this slice. 0, or -1 and errno.
struct clinux_sched_attr {
  unsigned int size, policy;
  unsigned long long flags;
  int nice;
  unsigned int priority;
  unsigned long long runtime, deadline, period;
};
static inline int clinux_set_slice(int nice, unsigned long long nanoseconds) {
  struct clinux_sched_attr attributes = {.size = sizeof(attributes), .nice = nice, .runtime = nanoseconds};
  return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

// A thread with a stack of its own size, which is joined by its number, or with none asked for (NULL) by nobody. 0, or why there is
// none. Source: pthread_create(3).
static inline int clinux_start_thread(pthread_t *joined, size_t stack_bytes, void *(*body)(void *), void *context) {
  pthread_attr_t attributes;
  pthread_t unjoined;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  if (!joined)
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  int status = pthread_create(joined ? joined : &unjoined, &attributes, body, context);
  pthread_attr_destroy(&attributes);
  return status;
}

// Declared only with _GNU_SOURCE. Source: sched_setaffinity(2), gettid(2), pthread_setname_np(3).
int pthread_setname_np(pthread_t thread, const char *name);
int sched_setaffinity(pid_t thread, size_t size, const cpu_set_t *set);
int sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);
pid_t gettid(void);

// Declared only with _GNU_SOURCE. Source: memmem(3), memrchr(3), tee(2).
void *memmem(const void *bytes, size_t count, const void *wanted, size_t wanted_count);
void *memrchr(const void *bytes, int wanted, size_t count);
ssize_t tee(int from, int to, size_t bytes, unsigned int flags);

// Has no function in glibc. Source: kcmp(2).
static inline int clinux_kcmp(pid_t one, pid_t other, int type) {
  return (int)syscall(SYS_kcmp, one, other, type, 0, 0);
}

// Declared only with _GNU_SOURCE. Source: accept4(2).
struct sockaddr;
int accept4(int listener, struct sockaddr *address, unsigned int *size, int flags);

// Declared only with _GNU_SOURCE. Source: pipe2(2).
int pipe2(int ends[2], int flags);

// In glibc since 2.14, declared only with _GNU_SOURCE. Source: open_by_handle_at(2).
int open_by_handle_at(int mount, void *handle, int flags);

// Has no function in glibc, whose memmem(3) looks for one word and at one byte at a time. The first place at or after
// `from` where "kill", "Kill" or "oom_" begins; `count` where there is none.
typedef unsigned char clinux_bytes __attribute__((vector_size(16)));
static inline size_t clinux_find_kill(const unsigned char *bytes, size_t count, size_t from) {
  const size_t block = 4 * sizeof(clinux_bytes);
  size_t place = from;
  while (place + 3 < count) {
    while (place + block + 3 <= count) {
      clinux_bytes found = {0};
      for (size_t part = 0; part < block; part += sizeof(clinux_bytes)) {
        clinux_bytes second, third, fourth;
        __builtin_memcpy(&second, bytes + place + part + 1, sizeof second);
        __builtin_memcpy(&third, bytes + place + part + 2, sizeof third);
        __builtin_memcpy(&fourth, bytes + place + part + 3, sizeof fourth);
        found |= (clinux_bytes)((second == 'i') & (third == 'l') & (fourth == 'l'));
        found |= (clinux_bytes)((second == 'o') & (third == 'm') & (fourth == '_'));
      }
      unsigned long long halves[2];
      __builtin_memcpy(halves, &found, sizeof halves);
      if (halves[0] | halves[1])
        break;
      place += block;
    }
    const size_t end = place + block < count - 3 ? place + block : count - 3;
    for (; place < end; place++) {
      const unsigned char *word = bytes + place;
      if ((word[0] | 0x20) == 'k' && word[1] == 'i' && word[2] == 'l' && word[3] == 'l')
        return place;
      if (word[0] == 'o' && word[1] == 'o' && word[2] == 'm' && word[3] == '_')
        return place;
    }
  }
  return count;
}

// Have no functions in glibc before 2.36, process_mrelease none at all. Source: pidfd_open(2), pidfd_send_signal(2),
// getdents64(2); Kernel: mm/oom_kill.c, process_mrelease(), since 5.15.
static inline int clinux_pidfd_open(pid_t process) { return (int)syscall(434, process, 0); }
static inline int clinux_pidfd_send_signal(int process, int number) {
  return (int)syscall(424, process, number, (void *)0, 0);
}
static inline int clinux_process_mrelease(int process) { return (int)syscall(448, process, 0); }
static inline long clinux_getdents64(int directory, void *entries, size_t bytes) {
  return syscall(SYS_getdents64, directory, entries, bytes);
}

// Declared only with _GNU_SOURCE, or since glibc 2.27. Source: memfd_create(2).
static inline int clinux_memfd_create(const char *name, unsigned int flags) {
  return (int)syscall(SYS_memfd_create, name, flags);
}
