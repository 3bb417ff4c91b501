/**
 * @file capture_file.h
 * @brief The files of a capture: one that grows up to a limit, and the ones before it under numbered names.
 *
 * A file has whole blocks only, also after the disk was full. While a capture writes to a file, no other
 * capture does, of this process or another. Only its owner may read it, because it tells all that was said.
 *
 * Linux only. For one thread at a time, which the disk may keep waiting.
 */
#ifndef ENETJS_CAPTURE_FILE_H
#define ENETJS_CAPTURE_FILE_H

#include <stddef.h>
#include <stdint.h>

struct enetjs_capture_file {
  char *path; /**< of the newest */
  int fd;
  uint64_t size;         /**< of the newest, in bytes */
  uint64_t maximum_size; /**< after which the next one begins */
  unsigned files;        /**< that are kept, at most */
};

/**
 * Opens the file and empties it.
 * @param path of `length` bytes, which is copied
 * @returns 0, or ENETJS_ERR_FILE, FILE_IN_USE or MEMORY; then there is nothing to close
 */
int enetjs_capture_file_open(struct enetjs_capture_file *file, const char *path, size_t length);

/** Appends a block. @returns 0, or an errno; the block is then not in the file, and nothing can be added */
int enetjs_capture_file_append(struct enetjs_capture_file *file, const uint8_t *block, size_t length);

/** Whether a block would make the file larger than its limit. */
static inline int enetjs_capture_file_full(const struct enetjs_capture_file *file, size_t length) {
  return file->size + length > file->maximum_size;
}

/** Puts the newest file aside under a number, and begins another one. @returns 0 or an errno */
int enetjs_capture_file_rotate(struct enetjs_capture_file *file);

void enetjs_capture_file_close(struct enetjs_capture_file *file);

#endif
