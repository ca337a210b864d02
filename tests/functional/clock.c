/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a daemon: the time of the day is wrong by the seconds that the file CLOCK_FILE holds;
   the monotonic clock is right, as it is when somebody sets a clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *result)
{
    int status = syscall(SYS_clock_gettime, clock, result);
    const char *path = getenv("CLOCK_FILE");
    char text[32] = "";

    if (status == 0 && clock == CLOCK_REALTIME && path) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof(text) - 1) > 0)
                result->tv_sec += atol(text);
            close(fd);
        }
    }
    return status;
}
