/*
 * See capture.h. The ring holds records: a header, and the bytes of the datagram behind it, rounded up to
 * eight. The host appends and the thread takes; `head` and `tail` count bytes and never turn back.
 *
 * Invariants: a block of the table is used again only after its thread has ended and its host has let go of
 * it. The lock of a capture is held for a copy at most, never while the disk is used. Any thread may call.
 */
#if defined(__linux__)

#include "wire/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/handle.h"
#include "base/threads.h"
#include "wire/capture_file.h"
#include "wire/pcapng.h"
#include "wire/route.h"

enum {
  CAPTURES = 64,            /* that are running, or can still tell what has become of them */
  GATHER_MS = 10,           /* for which a datagram waits for others before they are written */
  CHUNK_BYTES = 256 * 1024, /* that are written at once */
  CLOSING_BYTES = 64,       /* of the last block of a file */
  EXIT_WAIT_MS = 500
};

#define RING ENETJS_CAPTURE_RING

struct record {
  uint64_t time_ns;
  struct enetjs_endpoint remote;
  uint64_t missed; /* datagrams that had found no room when this one came */
  uint32_t length;
  uint32_t received;
};

/* What its thread does. */
enum activity { SLEEPING, GATHERING, WRITING };

/* What only the thread uses. */
struct output {
  struct enetjs_capture_file file;
  struct enetjs_routes routes;
  uint64_t missed;  /* as of the last datagram that was written */
  size_t filled;    /* of the chunk */
  uint64_t pending; /* datagrams in the chunk */
  uint8_t datagram[ENETJS_PCAPNG_MAXIMUM];
  uint8_t chunk[CHUNK_BYTES];
};

struct enetjs_capture {
  uint64_t generation;
  struct enetjs_endpoint local;
  bool plain;
  enetjs_mutex lock;
  enetjs_cond changed;
  bool initialized;
  /* With the lock: */
  bool running; /* its thread has not ended */
  bool ended;   /* the host has let go of it */
  enum activity activity;
  uint8_t *ring; /* or NULL once the thread has ended */
  uint64_t head, tail;
  uint64_t seen, missed, written; /* datagrams */
  uint64_t bytes;
  unsigned files;
  int error; /* an errno that has ended it, or 0 */
};

static struct {
  enetjs_mutex lock;
  struct enetjs_capture captures[CAPTURES];
} table = {.lock = ENETJS_MUTEX_INIT};

/* ---- The ring -------------------------------------------------------------------------------- */

static size_t rounded(size_t length) { return (length + 7) & ~(size_t)7; }

static void ring_write(struct enetjs_capture *capture, uint64_t at, const void *bytes, size_t length) {
  size_t offset = at % RING, first = RING - offset < length ? RING - offset : length;
  memcpy(capture->ring + offset, bytes, first);
  memcpy(capture->ring, (const uint8_t *)bytes + first, length - first);
}

static void ring_read(const struct enetjs_capture *capture, uint64_t at, void *bytes, size_t length) {
  size_t offset = at % RING, first = RING - offset < length ? RING - offset : length;
  memcpy(bytes, capture->ring + offset, first);
  memcpy((uint8_t *)bytes + first, capture->ring, length - first);
}

static uint64_t wall_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void append(struct enetjs_capture *capture, const struct record *record, const ENetBuffer *buffers,
                   size_t count) {
  uint64_t at = capture->head;
  ring_write(capture, at, record, sizeof(*record));
  at += sizeof(*record);
  for (size_t i = 0; i < count; at += buffers[i++].dataLength)
    if (buffers[i].dataLength > 0) ring_write(capture, at, buffers[i].data, buffers[i].dataLength);
  capture->head += sizeof(*record) + rounded(record->length);
}

void enetjs_capture_take(struct enetjs_capture *capture, bool received, const struct enetjs_endpoint *remote,
                         const ENetBuffer *buffers, size_t count) {
  struct record record = {wall_clock_ns(), *remote, 0, 0, received};
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += buffers[i].dataLength;
  record.length = (uint32_t)length;
  enetjs_mutex_lock(&capture->lock);
  capture->seen++;
  if (length > ENETJS_PCAPNG_MAXIMUM || !capture->running ||
      sizeof(record) + rounded(length) > RING - (capture->head - capture->tail)) {
    capture->missed++;
  } else {
    record.missed = capture->missed;
    append(capture, &record, buffers, count);
    if (capture->activity == SLEEPING ||
        (capture->activity == GATHERING && capture->head - capture->tail > RING / 2))
      enetjs_cond_broadcast(&capture->changed);
  }
  enetjs_mutex_unlock(&capture->lock);
}

/* ---- Its thread: writing --------------------------------------------------------------------- */

/* Writes what is in the chunk. @returns 0 or an errno */
static int flush(struct enetjs_capture *capture, struct output *output) {
  int error;
  if (output->filled == 0) return 0;
  error = enetjs_capture_file_append(&output->file, output->chunk, output->filled);
  if (error) return error;
  enetjs_mutex_lock(&capture->lock);
  capture->written += output->pending;
  capture->bytes += output->filled;
  enetjs_mutex_unlock(&capture->lock);
  output->filled = 0;
  output->pending = 0;
  return 0;
}

static uint8_t *place(struct output *output) { return output->chunk + output->filled; }

static void begin_file(struct enetjs_capture *capture, struct output *output) {
  output->filled = enetjs_pcapng_begin(
      place(output), capture->plain ? "@enetjs/enet, before encryption" : "@enetjs/enet, as on the network");
  enetjs_mutex_lock(&capture->lock);
  capture->files++;
  enetjs_mutex_unlock(&capture->lock);
}

/* Writes the last block of a file. */
static int end_file(struct enetjs_capture *capture, struct output *output) {
  uint64_t seen;
  enetjs_mutex_lock(&capture->lock);
  seen = capture->written + output->pending + output->missed;
  enetjs_mutex_unlock(&capture->lock);
  output->filled += enetjs_pcapng_end(place(output), wall_clock_ns(), seen, output->missed);
  return flush(capture, output);
}

static int begin_next_file(struct enetjs_capture *capture, struct output *output) {
  int error = end_file(capture, output);
  if (!error) error = enetjs_capture_file_rotate(&output->file);
  if (!error) begin_file(capture, output);
  return error;
}

static bool is_unspecified(const struct enetjs_endpoint *endpoint) {
  return endpoint->high == 0 && (endpoint->low == 0 || endpoint->low == ENETJS_MAPPED_PREFIX);
}

static struct enetjs_endpoint local_for(const struct enetjs_capture *capture, struct output *output,
                                        const struct enetjs_endpoint *remote) {
  struct enetjs_endpoint local = capture->local;
  if (is_unspecified(&local) || enetjs_endpoint_is_ipv4(&local) != enetjs_endpoint_is_ipv4(remote))
    local = enetjs_route_source(&output->routes, remote);
  local.port = capture->local.port;
  return local;
}

static size_t write_block(const struct enetjs_capture *capture, struct output *output,
                          const struct record *record) {
  struct enetjs_endpoint local = local_for(capture, output, &record->remote);
  struct enetjs_pcapng_datagram datagram = {0};
  datagram.time_ns = record->time_ns;
  datagram.from = record->received ? record->remote : local;
  datagram.to = record->received ? local : record->remote;
  datagram.received = record->received;
  datagram.dropped = record->missed - output->missed;
  datagram.bytes = output->datagram;
  datagram.length = record->length;
  return enetjs_pcapng_datagram(place(output), &datagram);
}

/* Puts the record at the tail of the ring into the chunk. @returns 0 or an errno */
static int write_record(struct enetjs_capture *capture, struct output *output) {
  struct record record;
  size_t length;
  int error = 0;
  if (sizeof(output->chunk) - output->filled < sizeof(enetjs_pcapng_room) + CLOSING_BYTES)
    error = flush(capture, output);
  if (error) return error;
  ring_read(capture, capture->tail, &record, sizeof(record));
  ring_read(capture, capture->tail + sizeof(record), output->datagram, record.length);
  length = write_block(capture, output, &record);
  if (enetjs_capture_file_full(&output->file, output->filled + length + CLOSING_BYTES)) {
    error = begin_next_file(capture, output);
    if (error) return error;
    length = write_block(capture, output, &record);
  }
  output->filled += length;
  output->pending++;
  output->missed = record.missed;
  enetjs_mutex_lock(&capture->lock);
  capture->tail += sizeof(record) + rounded(record.length);
  enetjs_mutex_unlock(&capture->lock);
  return 0;
}

/* ---- Its thread: life ------------------------------------------------------------------------ */

/* With the lock held. @returns up to where there is something to write; the tail when nothing more comes */
static uint64_t wait_for_datagrams(struct enetjs_capture *capture) {
  uint64_t until_ms;
  capture->activity = SLEEPING;
  while (capture->head == capture->tail && !capture->ended)
    enetjs_cond_wait(&capture->changed, &capture->lock, UINT64_MAX);
  capture->activity = GATHERING;
  until_ms = enetjs_now_ms() + GATHER_MS;
  while (!capture->ended && capture->head - capture->tail <= RING / 2 && enetjs_now_ms() < until_ms)
    enetjs_cond_wait(&capture->changed, &capture->lock, until_ms);
  capture->activity = WRITING;
  return capture->head;
}

static uint64_t next_head(struct enetjs_capture *capture) {
  uint64_t head;
  enetjs_mutex_lock(&capture->lock);
  head = wait_for_datagrams(capture);
  enetjs_mutex_unlock(&capture->lock);
  return head;
}

/* Until nothing more comes. @returns 0 or an errno */
static int write_all(struct enetjs_capture *capture, struct output *output) {
  int error;
  begin_file(capture, output);
  error = flush(capture, output); /* so that a reader finds a file that it knows, although nothing happens */
  for (uint64_t head; !error && (head = next_head(capture)) != capture->tail;) {
    while (!error && capture->tail != head) error = write_record(capture, output);
    if (!error) error = flush(capture, output);
  }
  if (error) return error;
  enetjs_mutex_lock(&capture->lock);
  output->missed = capture->missed;
  enetjs_mutex_unlock(&capture->lock);
  return end_file(capture, output);
}

struct start {
  struct enetjs_capture *capture;
  struct output *output;
};

static void run(void *argument) {
  struct start start = *(struct start *)argument;
  struct enetjs_capture *capture = start.capture;
  int error;
  free(argument);
  error = write_all(capture, start.output);
  enetjs_capture_file_close(&start.output->file);
  free(start.output);
  enetjs_mutex_lock(&capture->lock);
  capture->error = error;
  capture->missed = capture->seen - capture->written;
  free(capture->ring);
  capture->ring = NULL;
  capture->running = false;
  enetjs_cond_broadcast(&capture->changed);
  enetjs_mutex_unlock(&capture->lock);
}

/* ---- The table ------------------------------------------------------------------------------- */

static bool is_free(struct enetjs_capture *capture) {
  bool result;
  if (!capture->initialized) return true;
  enetjs_mutex_lock(&capture->lock);
  result = !capture->running && capture->ended;
  enetjs_mutex_unlock(&capture->lock);
  return result;
}

/* With the table's lock. Prefers the place that has been used least, so that ended captures stay known. */
static struct enetjs_capture *find_place(void) {
  struct enetjs_capture *best = NULL;
  for (size_t i = 0; i < CAPTURES; i++) {
    struct enetjs_capture *capture = &table.captures[i];
    if ((!best || capture->generation < best->generation) && is_free(capture)) best = capture;
  }
  return best;
}

static bool prepare(struct enetjs_capture *capture) {
  if (!capture->initialized) {
    if (!enetjs_mutex_init(&capture->lock)) return false;
    if (!enetjs_cond_init(&capture->changed)) {
      enetjs_mutex_destroy(&capture->lock);
      return false;
    }
    capture->initialized = true;
    capture->ended = true;
  }
  return true;
}

/* @returns 0 or an error code */
static int start_thread(struct enetjs_capture *capture, struct output *output) {
  struct start *start = malloc(sizeof(*start));
  enetjs_thread thread;
  if (!start) return ENETJS_ERR_MEMORY;
  start->capture = capture;
  start->output = output;
  if (!enetjs_thread_start(&thread, run, start)) {
    free(start);
    return ENETJS_ERR_THREAD;
  }
  enetjs_thread_detach(thread);
  return 0;
}

static void reset(struct enetjs_capture *capture, const struct enetjs_capture_plan *plan, uint8_t *ring) {
  enetjs_mutex_lock(&capture->lock);
  capture->generation++;
  capture->local = plan->local;
  capture->plain = plan->plain;
  capture->running = true;
  capture->ended = false;
  capture->activity = WRITING;
  capture->ring = ring;
  capture->head = capture->tail = 0;
  capture->seen = capture->missed = capture->written = capture->bytes = 0;
  capture->files = 0;
  capture->error = 0;
  enetjs_mutex_unlock(&capture->lock);
}

/* With the table's lock. @returns 0 or an error code */
static int begin(struct enetjs_capture *capture, const struct enetjs_capture_plan *plan) {
  struct output *output = calloc(1, sizeof(*output));
  uint8_t *ring = malloc(RING);
  int error = ENETJS_ERR_MEMORY;
  if (!output || !ring || !prepare(capture)) goto failed;
  output->file.maximum_size = plan->maximum_bytes;
  output->file.files = plan->files;
  error = enetjs_capture_file_open(&output->file, plan->path, plan->path_length);
  if (error < 0) goto failed;
  reset(capture, plan, ring);
  error = start_thread(capture, output);
  if (error == 0) return 0;
  enetjs_mutex_lock(&capture->lock);
  capture->running = false;
  capture->ended = true;
  capture->ring = NULL;
  enetjs_mutex_unlock(&capture->lock);
  enetjs_capture_file_close(&output->file);
failed:
  free(output);
  free(ring);
  return error;
}

double enetjs_capture_begin(const struct enetjs_capture_plan *plan, struct enetjs_capture **capture) {
  struct enetjs_capture *place;
  double result;
  enetjs_mutex_lock(&table.lock);
  place = find_place();
  result = place ? begin(place, plan) : ENETJS_ERR_LIMIT;
  if (result == 0) {
    *capture = place;
    result = enetjs_handle_number(place->generation, (uint32_t)(place - table.captures), CAPTURES);
  }
  enetjs_mutex_unlock(&table.lock);
  return result;
}

void enetjs_capture_end(struct enetjs_capture *capture) {
  enetjs_mutex_lock(&capture->lock);
  capture->ended = true;
  enetjs_cond_broadcast(&capture->changed);
  enetjs_mutex_unlock(&capture->lock);
}

bool enetjs_capture_is_plain(const struct enetjs_capture *capture) { return capture->plain; }

struct enetjs_capture *enetjs_capture_find(double number) {
  struct enetjs_handle handle;
  struct enetjs_capture *capture;
  bool same;
  if (!enetjs_handle_read(number, CAPTURES, &handle)) return NULL;
  capture = &table.captures[handle.index];
  enetjs_mutex_lock(&table.lock);
  same = capture->initialized && capture->generation == handle.generation;
  enetjs_mutex_unlock(&table.lock);
  return same ? capture : NULL;
}

bool enetjs_capture_stats(double handle, double *out) {
  struct enetjs_capture *capture = enetjs_capture_find(handle);
  if (!capture) return false;
  enetjs_mutex_lock(&capture->lock);
  out[ENETJS_CAPTURE_STAT_DATAGRAMS] = (double)capture->written;
  out[ENETJS_CAPTURE_STAT_DROPPED] = (double)capture->missed;
  out[ENETJS_CAPTURE_STAT_BYTES] = (double)capture->bytes;
  out[ENETJS_CAPTURE_STAT_FILES] = capture->files;
  out[ENETJS_CAPTURE_STAT_ERROR] = capture->error;
  out[ENETJS_CAPTURE_STAT_RUNNING] = capture->running;
  enetjs_mutex_unlock(&capture->lock);
  return true;
}

/* ---- The end of the process ------------------------------------------------------------------ */

/* A thread that was stopped inside a call never releases the lock. */
static bool lock_until(enetjs_mutex *lock, uint64_t deadline_ms) {
  while (!enetjs_mutex_trylock(lock)) {
    if (enetjs_now_ms() >= deadline_ms) return false;
    enetjs_thread_yield();
  }
  return true;
}

void enetjs_captures_finish(void) {
  uint64_t deadline_ms = enetjs_now_ms() + EXIT_WAIT_MS;
  if (!lock_until(&table.lock, deadline_ms)) return;
  for (size_t i = 0; i < CAPTURES; i++) {
    struct enetjs_capture *capture = &table.captures[i];
    if (!capture->initialized || !lock_until(&capture->lock, deadline_ms)) continue;
    capture->ended = true;
    enetjs_cond_broadcast(&capture->changed);
    while (capture->running && enetjs_now_ms() < deadline_ms)
      enetjs_cond_wait(&capture->changed, &capture->lock, deadline_ms);
    enetjs_mutex_unlock(&capture->lock);
  }
  enetjs_mutex_unlock(&table.lock);
}

#else

/* No capture begins there (host/capture.c). */

#include "wire/capture.h"

void enetjs_capture_end(struct enetjs_capture *capture) { (void)capture; }

bool enetjs_capture_is_plain(const struct enetjs_capture *capture) {
  (void)capture;
  return false;
}

void enetjs_capture_take(struct enetjs_capture *capture, bool received, const struct enetjs_endpoint *remote,
                         const ENetBuffer *buffers, size_t count) {
  (void)capture, (void)received, (void)remote, (void)buffers, (void)count;
}

void enetjs_captures_finish(void) {}

#endif
