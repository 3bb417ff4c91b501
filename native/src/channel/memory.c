/*
 * The memory of a channel: the words of both directions, and a ring for each. The layout is that of "Memory
 * of a channel" in enetjs_layout.h. A guard lies before, between and behind the rings, so that a plugin that
 * writes beyond a reservation is found.
 *
 * Call with the channel's lock held.
 */
#include <stdlib.h>
#include <string.h>

#include "channel/channel.h"
#include "channel/internal.h"

#define GUARD 0xA5

static _Atomic uint32_t *words_of(const struct enetjs_channel *c, unsigned direction) {
  return (_Atomic uint32_t *)(void *)(c->memory + (size_t)direction * ENETJS_CHANNEL_DIRECTION_BYTES);
}

/* Places a direction's ring, behind a guard. @returns the offset behind it */
static size_t place(struct enetjs_channel *c, struct enetjs_channel_ring *ring, unsigned direction,
                    size_t offset, uint32_t capacity) {
  _Atomic uint32_t *words = words_of(c, direction);
  memset(c->memory + offset, GUARD, ENETJS_CHANNEL_GUARD_BYTES);
  offset += ENETJS_CHANNEL_GUARD_BYTES;
  enetjs_channel_ring_attach(ring, words, c->memory + offset, capacity);
  words[ENETJS_CHANNEL_WORD_OFFSET] = (uint32_t)offset;
  words[ENETJS_CHANNEL_WORD_RING_BYTES] = ring->size;
  words[ENETJS_CHANNEL_WORD_CAPACITY] = capacity;
  return offset + ring->size;
}

bool enetjs_channel_allocate(struct enetjs_channel *c, uint32_t send, uint32_t receive) {
  size_t offset = 2 * ENETJS_CHANNEL_DIRECTION_BYTES;
  size_t bytes = offset + 3 * (size_t)ENETJS_CHANNEL_GUARD_BYTES + enetjs_channel_ring_bytes(send) +
                 enetjs_channel_ring_bytes(receive);
  c->allocation = calloc(1, bytes + ENETJS_CHANNEL_RING_ALIGNMENT);
  if (!c->allocation) return false;
  c->memory = c->allocation + ENETJS_CHANNEL_RING_ALIGNMENT -
              (uintptr_t)c->allocation % ENETJS_CHANNEL_RING_ALIGNMENT;
  c->memory_bytes = bytes;
  atomic_fetch_add(&enetjs_channel_bytes, bytes);
  offset = place(c, &c->in, 0, offset, send);
  offset = place(c, &c->out, 1, offset, receive);
  memset(c->memory + offset, GUARD, ENETJS_CHANNEL_GUARD_BYTES);
  return true;
}

static bool guard_intact(const uint8_t *guard) {
  for (unsigned i = 0; i < ENETJS_CHANNEL_GUARD_BYTES; i++)
    if (guard[i] != GUARD) return false;
  return true;
}

bool enetjs_channel_guards_intact(const struct enetjs_channel *c) {
  return guard_intact(c->in.bytes - ENETJS_CHANNEL_GUARD_BYTES) &&
         guard_intact(c->out.bytes - ENETJS_CHANNEL_GUARD_BYTES) && guard_intact(c->out.bytes + c->out.size);
}
