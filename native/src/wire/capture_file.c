/*
 * See capture_file.h. A lock of the open file (flock) tells captures of other hosts and processes that it is
 * in use; the system lets go of it when the process ends, however it ends.
 *
 * Files that are put aside have their number before the extension: trace.pcapng, trace.1.pcapng, and so on,
 * where a higher number is older.
 */
#if defined(__linux__)

#include "wire/capture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enetjs.h"

#define NUMBER_ROOM 16 /* for a number and its dot */

/* @returns 0, or an errno; EWOULDBLOCK: another capture has it */
static int open_locked(const char *path, int *fd) {
  struct stat status;
  int error = 0;
  /* Not blocking, because the path may be that of a pipe, which is refused below. */
  *fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, S_IRUSR | S_IWUSR);
  if (*fd < 0) return errno;
  if (fstat(*fd, &status) != 0)
    error = errno;
  else if (!S_ISREG(status.st_mode))
    error = EINVAL;
  else if (flock(*fd, LOCK_EX | LOCK_NB) != 0 || ftruncate(*fd, 0) != 0)
    error = errno;
  if (error) close(*fd);
  return error;
}

int enetjs_capture_file_open(struct enetjs_capture_file *file, const char *path, size_t length) {
  int error;
  file->path = malloc(length + 1);
  if (!file->path) return ENETJS_ERR_MEMORY;
  memcpy(file->path, path, length);
  file->path[length] = 0;
  file->size = 0;
  error = strlen(file->path) == length ? open_locked(file->path, &file->fd) : EINVAL;
  if (!error) return 0;
  free(file->path);
  return error == EWOULDBLOCK ? ENETJS_ERR_FILE_IN_USE : ENETJS_ERR_FILE;
}

int enetjs_capture_file_append(struct enetjs_capture_file *file, const uint8_t *block, size_t length) {
  size_t written = 0;
  while (written < length) {
    ssize_t result = write(file->fd, block + written, length - written);
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) {
      int error = result < 0 ? errno : EIO;
      /* Takes the part of the block out again, which needs no room on the disk. */
      if (written > 0 && ftruncate(file->fd, (off_t)file->size) != 0) error = errno;
      return error;
    }
    written += (size_t)result;
  }
  file->size += length;
  return 0;
}

/* Where the extension begins, or the end where there is none. */
static size_t extension_of(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
  return dot && dot != name ? (size_t)(dot - path) : strlen(path);
}

/* @param out has NUMBER_ROOM bytes more than the path */
static void write_name(char *out, const char *path, unsigned number) {
  size_t stem = extension_of(path);
  memcpy(out, path, stem);
  if (number > 0)
    snprintf(out + stem, NUMBER_ROOM + strlen(path + stem), ".%u%s", number, path + stem);
  else
    strcpy(out + stem, path + stem);
}

int enetjs_capture_file_rotate(struct enetjs_capture_file *file) {
  size_t room = strlen(file->path) + NUMBER_ROOM;
  char *names = malloc(2 * room), *older = names, *newer = names + room;
  int error;
  if (!names) return ENOMEM;
  for (unsigned number = file->files - 1; number > 0; number--) {
    write_name(older, file->path, number);
    write_name(newer, file->path, number - 1);
    if (rename(newer, older) != 0 && errno != ENOENT) {
      error = errno;
      free(names);
      return error;
    }
  }
  free(names);
  close(file->fd);
  file->size = 0;
  error = open_locked(file->path, &file->fd);
  if (error) file->fd = -1;
  return error;
}

void enetjs_capture_file_close(struct enetjs_capture_file *file) {
  if (file->fd >= 0) close(file->fd);
  free(file->path);
  file->path = NULL;
}

#else

typedef int enetjs_no_capture_file; /* a file of C is not empty */

#endif
