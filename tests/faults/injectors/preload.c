/* Faults under a process, by its own C library calls: a clock that jumps, a disk that is full. Loaded with LD_PRELOAD; told what to do, while the process runs, by the file
 * $FAULT_CONTROLS/$SIGNALBOX_SERVICE, which is mapped at the start. Without that file nothing is changed.
 *
 * It stands in the place of the kernel's refusals: the code under test has no hook for any of this. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_LENGTH 1024
#define WALL_CLOCK_FROM 1000000000 /* seconds: a monotonic clock never gets there, a wall clock is beyond */

struct control { /* the same layout as in preload.py */
    volatile int64_t clock_offset_ms;
    volatile int32_t disk_is_full;
    volatile int32_t refused; /* writes, counted here so that whoever filled the disk sees that it mattered */
    char full_folder[FOLDER_LENGTH];
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *folder = getenv("FAULT_CONTROLS"), *service = getenv("SIGNALBOX_SERVICE");
    char path[FOLDER_LENGTH];
    if (!folder || !service || snprintf(path, sizeof path, "%s/%s", folder, service) >= (int)sizeof path)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

#define REAL(name, ...) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);

/* --- the clock ------------------------------------------------------------------------------------------- */

static int64_t offset_ms(void) { return control ? control->clock_offset_ms : 0; }

static struct timespec shifted(struct timespec when, int64_t ms) {
    int64_t ns = when.tv_nsec + (ms % 1000) * 1000000;
    when.tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
    when.tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    return when;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime)
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && offset_ms())
        *now = shifted(*now, offset_ms());
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec time;
    if (clock_gettime(CLOCK_REALTIME, &time) != 0)
        return -1;
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (now)
        *now = time.tv_sec;
    return time.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* A deadline on the wall clock was reckoned from the shifted one, and the kernel waits by its own: shift it back,
 * or a wait of a second would last for the jump, which no real jump forward does. */
static struct timespec kernels(const struct timespec *deadline) {
    return deadline->tv_sec > WALL_CLOCK_FROM ? shifted(*deadline, -offset_ms()) : *deadline;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
    static __typeof__(pthread_cond_timedwait) *real;
    if (!real) /* the default symbol may be the one of LinuxThreads, with another layout of the condition */
        real = (__typeof__(pthread_cond_timedwait) *)dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real)
        real = (__typeof__(pthread_cond_timedwait) *)dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec until = kernels(deadline);
    return real(cond, mutex, &until);
}

/* The same by C11's names, as the Kafka client's library waits. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict deadline) {
    REAL(cnd_timedwait)
    struct timespec until = kernels(deadline);
    return real(cond, mutex, &until);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    REAL(sem_timedwait)
    struct timespec until = kernels(deadline);
    return real(semaphore, &until);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline) {
    REAL(pthread_mutex_timedlock)
    struct timespec until = kernels(deadline);
    return real(mutex, &until);
}

/* --- the disk -------------------------------------------------------------------------------------------- */

static int is_full(int fd) {
    if (!control || !control->disk_is_full)
        return 0;
    char link[64], path[FOLDER_LENGTH];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t folder = strnlen(control->full_folder, FOLDER_LENGTH);
    if (length < (ssize_t)folder || strncmp(path, control->full_folder, folder) != 0)
        return 0;
    __atomic_add_fetch(&control->refused, 1, __ATOMIC_RELAXED);
    errno = ENOSPC;
    return 1;
}

#define REFUSED_WHEN_FULL(result, name, parameters, arguments) \
    result name parameters { \
        REAL(name) \
        return is_full(fd) ? -1 : real arguments; \
    }

REFUSED_WHEN_FULL(ssize_t, write, (int fd, const void *bytes, size_t count), (fd, bytes, count))
REFUSED_WHEN_FULL(ssize_t, pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at))
REFUSED_WHEN_FULL(ssize_t, pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at))
REFUSED_WHEN_FULL(int, ftruncate, (int fd, off_t length), (fd, length))
REFUSED_WHEN_FULL(int, ftruncate64, (int fd, off64_t length), (fd, length))
