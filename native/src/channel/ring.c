/*
 * Both ends of a channel's ring. lib/channel/_ring.ts does the same in TypeScript. Each end is called by one
 * thread at a time.
 */
#include "channel/ring.h"

#include "enetjs.h"

#define UNIT ENETJS_CHANNEL_UNIT_BYTES

static uint32_t round_up(uint32_t value, uint32_t to) { return (value + to - 1) / to * to; }

static uint32_t record_bytes(uint32_t length) {
  return ENETJS_CHANNEL_RECORD_HEADER + round_up(length, UNIT);
}

static _Atomic uint32_t *record_at(const struct enetjs_channel_ring *ring, uint32_t offset) {
  return (_Atomic uint32_t *)(void *)(ring->bytes + offset);
}

static void record_write(const struct enetjs_channel_ring *ring, uint32_t offset, uint32_t length,
                         uint32_t kind) {
  _Atomic uint32_t *record = record_at(ring, offset);
  atomic_store_explicit(&record[ENETJS_CHANNEL_RECORD_LENGTH], length, memory_order_relaxed);
  atomic_store_explicit(&record[ENETJS_CHANNEL_RECORD_KIND], kind, memory_order_relaxed);
}

uint32_t enetjs_channel_ring_bytes(uint32_t capacity) {
  return round_up(record_bytes(capacity), ENETJS_CHANNEL_RING_ALIGNMENT);
}

void enetjs_channel_ring_attach(struct enetjs_channel_ring *ring, _Atomic uint32_t *words, uint8_t *bytes,
                                uint32_t capacity) {
  ring->words = words;
  ring->bytes = bytes;
  ring->capacity = capacity;
  ring->size = enetjs_channel_ring_bytes(capacity);
  ring->count = ring->at = ring->skipped = 0;
}

/*
 * What the producer has written and the consumer has not freed, in bytes; above twice the ring it is broken.
 */
static uint64_t used_bytes(uint32_t head, uint32_t tail) { return (uint64_t)(uint32_t)(head - tail) * UNIT; }

static bool used_valid(const struct enetjs_channel_ring *ring, uint64_t used) {
  return used <= 2ull * ring->size;
}

/* ---- Producer -------------------------------------------------------------------------------- */

enum enetjs_channel_ring_result enetjs_channel_ring_reserve(struct enetjs_channel_ring *ring, uint32_t length,
                                                            uint8_t **data) {
  uint64_t used = used_bytes(ring->count, atomic_load(&ring->words[ENETJS_CHANNEL_WORD_TAIL]));
  uint32_t need = record_bytes(length), rest = ring->size - ring->at;
  uint32_t skip = need > rest ? rest : 0;
  if (!used_valid(ring, used)) return ENETJS_CHANNEL_RING_BROKEN;
  if (used > 0 && used + skip + need > ring->size) return ENETJS_CHANNEL_RING_NONE;
  ring->skipped = skip;
  *data = ring->bytes + (skip ? 0 : ring->at) + ENETJS_CHANNEL_RECORD_HEADER;
  return ENETJS_CHANNEL_RING_OK;
}

bool enetjs_channel_ring_commit(struct enetjs_channel_ring *ring, uint32_t length) {
  _Atomic uint32_t *waits = &ring->words[ENETJS_CHANNEL_WORD_CONSUMER_WAITS];
  uint32_t need = record_bytes(length);
  if (ring->skipped) ring->at = 0;
  if (ring->at == 0)
    atomic_store_explicit(&ring->words[ENETJS_CHANNEL_WORD_WRAP], ring->count, memory_order_relaxed);
  record_write(ring, ring->at, length, ENETJS_CHANNEL_KIND_PLAIN);
  ring->at = (ring->at + need) % ring->size;
  ring->count += (ring->skipped + need) / UNIT;
  atomic_store(&ring->words[ENETJS_CHANNEL_WORD_HEAD], ring->count);
  return atomic_load(waits) && atomic_exchange(waits, 0);
}

void enetjs_channel_ring_want_room(struct enetjs_channel_ring *ring) {
  uint64_t used = used_bytes(ring->count, atomic_load(&ring->words[ENETJS_CHANNEL_WORD_TAIL]));
  uint32_t wish = used > ring->size / 2 ? ENETJS_CHANNEL_WAIT_HALF : ENETJS_CHANNEL_WAIT_EMPTY;
  atomic_store(&ring->words[ENETJS_CHANNEL_WORD_PRODUCER_WAITS], wish);
}

/* ---- Consumer -------------------------------------------------------------------------------- */

/* Takes the producer's wish away if it has come true. */
static bool grant(struct enetjs_channel_ring *ring) {
  _Atomic uint32_t *waits = &ring->words[ENETJS_CHANNEL_WORD_PRODUCER_WAITS];
  uint32_t wish = atomic_load(waits);
  uint64_t used;
  if (!wish) return false;
  used = used_bytes(atomic_load(&ring->words[ENETJS_CHANNEL_WORD_HEAD]), ring->count);
  if (wish == ENETJS_CHANNEL_WAIT_EMPTY && used > 0) return false;
  if (wish == ENETJS_CHANNEL_WAIT_HALF && used > ring->size / 2) return false;
  return atomic_exchange(waits, 0);
}

static bool advance(struct enetjs_channel_ring *ring, uint32_t bytes) {
  ring->at = (ring->at + bytes) % ring->size;
  ring->count += bytes / UNIT;
  atomic_store(&ring->words[ENETJS_CHANNEL_WORD_TAIL], ring->count);
  return grant(ring);
}

/*
 * Whether a message of the producer's can be given to the consumer; sets wake when that was being waited for.
 */
static bool take(struct enetjs_channel_ring *ring, _Atomic uint32_t *kind, bool *wake) {
  uint32_t seen = ENETJS_CHANNEL_KIND_OFFERED;
  if (atomic_load_explicit(kind, memory_order_relaxed) == ENETJS_CHANNEL_KIND_PLAIN) return true;
  if (!atomic_compare_exchange_strong(kind, &seen, ENETJS_CHANNEL_KIND_TAKEN)) return false;
  *wake |= grant(ring);
  return true;
}

/* Whether the producer has passed over what is left of the ring. */
static bool wraps_here(const struct enetjs_channel_ring *ring) {
  return atomic_load_explicit(&ring->words[ENETJS_CHANNEL_WORD_WRAP], memory_order_relaxed) == ring->count;
}

enum enetjs_channel_ring_result enetjs_channel_ring_peek(struct enetjs_channel_ring *ring, uint8_t **data,
                                                         uint32_t *length, bool *wake) {
  for (;;) {
    uint64_t used = used_bytes(atomic_load(&ring->words[ENETJS_CHANNEL_WORD_HEAD]), ring->count);
    uint32_t rest = ring->size - ring->at;
    _Atomic uint32_t *record = record_at(ring, ring->at);
    uint32_t kind, size;
    if (used == 0) return ENETJS_CHANNEL_RING_NONE;
    if (!used_valid(ring, used)) return ENETJS_CHANNEL_RING_BROKEN;
    if (ring->at != 0 && wraps_here(ring)) {
      if (rest >= used) return ENETJS_CHANNEL_RING_BROKEN;
      *wake |= advance(ring, rest);
      continue;
    }
    kind = atomic_load_explicit(&record[ENETJS_CHANNEL_RECORD_KIND], memory_order_relaxed);
    size = atomic_load_explicit(&record[ENETJS_CHANNEL_RECORD_LENGTH], memory_order_relaxed);
    if (kind < ENETJS_CHANNEL_KIND_PLAIN || kind > ENETJS_CHANNEL_KIND_WITHDRAWN || size > ring->capacity ||
        record_bytes(size) > rest || record_bytes(size) > used)
      return ENETJS_CHANNEL_RING_BROKEN;
    if (take(ring, &record[ENETJS_CHANNEL_RECORD_KIND], wake)) {
      *data = ring->bytes + ring->at + ENETJS_CHANNEL_RECORD_HEADER;
      *length = size;
      return ENETJS_CHANNEL_RING_OK;
    }
    *wake |= advance(ring, record_bytes(size));
  }
}

bool enetjs_channel_ring_release(struct enetjs_channel_ring *ring, uint32_t length) {
  return advance(ring, record_bytes(length));
}

void enetjs_channel_ring_want_message(struct enetjs_channel_ring *ring, bool wanted) {
  atomic_store(&ring->words[ENETJS_CHANNEL_WORD_CONSUMER_WAITS], wanted);
}
