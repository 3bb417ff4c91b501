/**
 * @file capture.h
 * @brief Captures: what a host sends and receives, written to a pcapng file.
 *
 * The host copies each datagram into a ring of 4 MiB; a thread of the capture's own writes it to the file.
 * So the host never waits for the disk. What finds no room in the ring is missing in the file, which says
 * how many datagrams are. An error of the file ends the capture and nothing else.
 *
 * A datagram is in the file about 10 ms after it passed. When the host closes, the thread writes what is
 * left, and nobody waits for it; the end of the process waits for half a second.
 *
 * Linux only: elsewhere none begins.
 */
#ifndef ENETJS_CAPTURE_H
#define ENETJS_CAPTURE_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enetjs.h"
#include "wire/endpoint.h"

#define ENETJS_CAPTURE_RING ((size_t)4 << 20) /**< bytes that wait for the disk */

struct enetjs_capture;

/** How to capture. */
struct enetjs_capture_plan {
  const char *path;
  size_t path_length;
  struct enetjs_endpoint local; /**< of the host's socket; its address may be unspecified */
  bool plain;                   /**< before encryption */
  uint64_t maximum_bytes;       /**< of a file */
  unsigned files;
};

/**
 * Begins a capture.
 * @param capture receives it; it stays valid until enetjs_capture_end
 * @returns a handle, which tells what has become of it later on; or ENETJS_ERR_FILE, FILE_IN_USE, MEMORY,
 *   THREAD, or LIMIT
 */
double enetjs_capture_begin(const struct enetjs_capture_plan *plan, struct enetjs_capture **capture);

/** Nothing more comes: its thread writes what is left, and ends. Returns at once. */
void enetjs_capture_end(struct enetjs_capture *capture);

bool enetjs_capture_is_plain(const struct enetjs_capture *capture);

/** Takes a datagram: copies it, unless there is no room. @param remote the other side's real endpoint */
void enetjs_capture_take(struct enetjs_capture *capture, bool received, const struct enetjs_endpoint *remote,
                         const ENetBuffer *buffers, size_t count);

/** The capture of a handle. @returns NULL when it was forgotten, because others have begun since it ended */
struct enetjs_capture *enetjs_capture_find(double handle);

/** @param out receives ENETJS_CAPTURE_STAT_COUNT numbers @returns false when it was forgotten */
bool enetjs_capture_stats(double handle, double *out);

/** At the end of the process: ends all captures, and waits for their threads for half a second at most. */
void enetjs_captures_finish(void);

#endif
